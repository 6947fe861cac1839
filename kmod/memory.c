// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory of regions: page cache folios that are added when a region is
 * created, held until it ends, and never written back, moved or reclaimed.
 *
 * A page may have other references when its region ends: a pipe's by vmsplice(2),
 * those of a transfer under way. Such pages remain. They are held and counted
 * further on, so that nobody gets memory past a limit that way, until ours is
 * their last reference. Nothing announces that, so what remains is looked at
 * from time to time, and when a limit is reached.
 */
#include <linux/cpumask.h>
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/pgtable.h>
#include <linux/percpu.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "shatomic.h"

#ifndef CONFIG_64BIT
#error "shatomic needs all memory in the kernel's direct map: 64-bit only"
#endif

#define PAGES_PER_HUGE ((unsigned long)(PMD_SIZE >> PAGE_SHIFT))

/* How many folios are added between looks at whether the caller was killed. */
#define PAGES_AT_ONCE 64

/* How soon what remains is looked at again: doubled each time in vain. */
#define SHORTEST_WAIT (HZ / 10)
#define LONGEST_WAIT (10 * HZ)

/* All that remain. */
static LIST_HEAD(remains);
static DEFINE_MUTEX(remains_lock);
static unsigned long remains_wait = SHORTEST_WAIT;
/* Whether there are some that have not been looked at. */
static bool remains_new;

static void look_again(struct work_struct *work);
static DECLARE_DELAYED_WORK(look_again_work, look_again);

static void settle_here(struct work_struct *work);
static DEFINE_PER_CPU(struct work_struct, settle_works);
static struct workqueue_struct *memory_queue;

int shatomic_memory_init(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		INIT_WORK(per_cpu_ptr(&settle_works, cpu), settle_here);
	/* Bound, so that it runs where it is queued. */
	memory_queue = alloc_workqueue("shatomic_memory", WQ_PERCPU, 0);
	return memory_queue ? 0 : -ENOMEM;
}

static bool has_huge_pages(void)
{
	return IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE) &&
	       has_transparent_hugepage();
}

/* A table of extents of 1 << @shift bytes, for so many pages. */
static uintptr_t *new_extents(unsigned long pages, unsigned int shift)
{
	unsigned int order = shift - PAGE_SHIFT;

	/* Gigabytes, for a region of many: failing is nothing to warn of. */
	return kvmalloc_array(((pages - 1) >> order) + 1, sizeof(uintptr_t),
			      GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL |
				      __GFP_NOWARN);
}

/* Where not all lies as huge pages do, each page has its own entry. */
static int use_small_extents(struct shatomic_pages *pages, unsigned long end)
{
	uintptr_t *extents;
	unsigned long i;

	if (pages->extent_shift == PAGE_SHIFT)
		return 0;
	extents = new_extents(end, PAGE_SHIFT);
	if (!extents)
		return -ENOMEM;
	for (i = 0; i < pages->count; i++)
		extents[i] = pages->extents[i >> (PMD_SHIFT - PAGE_SHIFT)];
	kvfree(pages->extents);
	pages->extents = extents;
	pages->extent_shift = PAGE_SHIFT;
	return 0;
}

/*
 * __GFP_RETRY_MAYFAIL: over the limit of a memory cgroup the caller gets ENOMEM
 * instead of the OOM killer's visit.
 */
static gfp_t small_gfp(struct address_space *mapping)
{
	return mapping_gfp_mask(mapping) | __GFP_ZERO | __GFP_RETRY_MAYFAIL |
	       __GFP_NOWARN;
}

/* One try to make room, since small pages will do. */
static gfp_t huge_gfp(struct address_space *mapping)
{
	return mapping_gfp_mask(mapping) | __GFP_ZERO | __GFP_NORETRY |
	       __GFP_NOWARN;
}

/*
 * Put a folio of ours into the page cache, at the next index. The page cache
 * takes references of its own, and has the caller's memory cgroup charged.
 */
static int add_folio(struct shatomic_pages *pages,
		     struct address_space *mapping, struct folio *folio,
		     gfp_t gfp)
{
	unsigned long index = pages->count, n = folio_nr_pages(folio), i;
	uintptr_t origin = (uintptr_t)folio_address(folio) -
			   (index << PAGE_SHIFT);
	int ret;

	__folio_mark_uptodate(folio);
	ret = filemap_add_folio(mapping, folio, index, gfp & ~__GFP_ZERO);
	if (ret) {
		folio_put(folio);
		return ret;
	}
	/* Rows write by the direct map, which marks nothing dirty. */
	folio_mark_dirty(folio);
	folio_unlock(folio);

	if (pages->extent_shift == PAGE_SHIFT) {
		for (i = 0; i < n; i++)
			pages->extents[index + i] = origin;
	} else {
		pages->extents[index >> (PMD_SHIFT - PAGE_SHIFT)] = origin;
	}
	if (n == PAGES_PER_HUGE)
		pages->huge_bytes += PMD_SIZE;
	pages->count += n;
	return 0;
}

/*
 * A huge page. Only for a whole one inside of the file: many kernels map one to
 * its end, which would be past the file's.
 */
static int add_huge(struct shatomic_pages *pages,
		    struct address_space *mapping)
{
	gfp_t gfp = huge_gfp(mapping);
	struct folio *folio = folio_alloc(gfp, PMD_SHIFT - PAGE_SHIFT);

	return folio ? add_folio(pages, mapping, folio, gfp) : -ENOMEM;
}

static int add_small(struct shatomic_pages *pages,
		     struct address_space *mapping, unsigned long end)
{
	gfp_t gfp = small_gfp(mapping);
	struct folio *folio;
	int ret;

	ret = use_small_extents(pages, end);
	if (ret)
		return ret;
	folio = folio_alloc(gfp, 0);
	return folio ? add_folio(pages, mapping, folio, gfp) : -ENOMEM;
}

/*
 * What is left behind the last huge page, as small pages in one stretch, so that
 * the table of huge extents serves it too. On failure add_small() goes on behind
 * those that were added.
 */
static int add_tail(struct shatomic_pages *pages,
		    struct address_space *mapping, unsigned long end)
{
	unsigned long n = end - pages->count, i;
	gfp_t gfp = huge_gfp(mapping);
	void *stretch = alloc_pages_exact(n << PAGE_SHIFT, gfp);
	int ret = 0;

	if (!stretch)
		return -ENOMEM;
	for (i = 0; i < n && !ret; i++)
		ret = add_folio(pages, mapping,
				virt_to_folio(stretch + (i << PAGE_SHIFT)),
				gfp);
	/* The one that failed has been put. */
	for (; i < n; i++)
		free_page((unsigned long)(stretch + (i << PAGE_SHIFT)));
	return ret;
}

static int add_next(struct shatomic_pages *pages,
		    struct address_space *mapping, unsigned long end)
{
	unsigned long left = end - pages->count;

	if (has_huge_pages() && IS_ALIGNED(pages->count, PAGES_PER_HUGE)) {
		if (left >= PAGES_PER_HUGE && !add_huge(pages, mapping))
			return 0;
		if (left < PAGES_PER_HUGE &&
		    pages->extent_shift != PAGE_SHIFT &&
		    !add_tail(pages, mapping, end))
			return 0;
	}
	return add_small(pages, mapping, end);
}

/*
 * Pages on their way to a list of the kernel have one reference more, in a bunch
 * that each CPU has. Have this CPU's arrive, so that a region's end finds no
 * reference but ours: letting go of any batch begins with that.
 */
static void settle(struct folio *folio)
{
	struct folio_batch batch;

	folio_batch_init(&batch);
	folio_get(folio);
	folio_batch_add(&batch, folio);
	folio_batch_release(&batch);
}

static void settle_here(struct work_struct *work)
{
	struct folio *folio = folio_alloc(GFP_NOWAIT | __GFP_NOWARN, 0);

	if (!folio)
		return;
	settle(folio);
	folio_put(folio);
}

/* Nobody waits for it: a CPU may be busy with what is more urgent. */
static void settle_all(void)
{
	unsigned int cpu;

	for_each_online_cpu(cpu)
		queue_work_on(cpu, memory_queue,
			      per_cpu_ptr(&settle_works, cpu));
}

/*
 * Some of the pages. They arrive where the last was added: when the caller went
 * to another CPU meanwhile, a few may come later, see remains.
 */
static int add_some(struct shatomic_pages *pages,
		    struct address_space *mapping, unsigned long end)
{
	int ret = 0, i;

	for (i = 0; i < PAGES_AT_ONCE && pages->count < end && !ret; i++)
		ret = add_next(pages, mapping, end);
	if (pages->count)
		settle(page_folio(shatomic_page_at(pages, pages->count - 1)));
	return ret;
}

/**
 * shatomic_pages_fill() - Give a file all of its pages, and hold them
 * @pages: [out] The pages; shatomic_pages_drop() lets go of them, on failure
 *	too.
 * @mapping: Where the file has its pages: none so far.
 * @size: The file's size in bytes.
 *
 * Return: 0, -ENOMEM or -EINTR.
 */
int shatomic_pages_fill(struct shatomic_pages *pages,
			struct address_space *mapping, u64 size)
{
	unsigned long end = DIV_ROUND_UP_ULL(size, PAGE_SIZE);
	int ret;

	/* As long as all is huge, a table that stays in the cache. */
	pages->extent_shift = size < PMD_SIZE || !has_huge_pages() ?
				      PAGE_SHIFT : PMD_SHIFT;
	pages->extents = new_extents(end, pages->extent_shift);
	if (!pages->extents)
		return -ENOMEM;

	while (pages->count < end) {
		ret = fatal_signal_pending(current) ? -EINTR :
			add_some(pages, mapping, end);
		if (ret)
			return ret;
		cond_resched();
	}
	return 0;
}

/**
 * shatomic_page_at() - One of a region's pages
 * @pages: The pages.
 * @index: Which, less than @pages->count.
 *
 * Return: The page, of PAGE_SIZE.
 */
struct page *shatomic_page_at(const struct shatomic_pages *pages,
			      unsigned long index)
{
	unsigned int order = pages->extent_shift - PAGE_SHIFT;

	return virt_to_page((void *)(pages->extents[index >> order] +
				     (index << PAGE_SHIFT)));
}

/*
 * Whether none but ours is left; what is more may be of a moment only. A page that
 * has failed keeps one for ever, and is nobody's memory any more.
 */
static bool is_only_ours(struct folio *folio)
{
	return folio_ref_count(folio) == 1 ||
	       PageHWPoison(folio_page(folio, 0));
}

/* How many pages from @index on are let go of together: a folio, or the tail. */
static unsigned long unit_at(const struct shatomic_pages *pages,
			     unsigned long index)
{
	if (pages->extent_shift != PAGE_SHIFT)
		return min(PAGES_PER_HUGE, pages->count - index);
	return folio_nr_pages(page_folio(shatomic_page_at(pages, index)));
}

/* Let go of it, if nobody else has any of it. */
static bool drop_unit(struct shatomic_pages *pages, unsigned long index,
		      unsigned long n)
{
	unsigned int order = pages->extent_shift - PAGE_SHIFT;
	unsigned long end = index + n, i;
	struct folio *folio;

	for (i = index; i < end; i += folio_nr_pages(folio)) {
		folio = page_folio(shatomic_page_at(pages, i));
		if (!is_only_ours(folio))
			return false;
	}
	for (i = index; i < end;) {
		folio = page_folio(shatomic_page_at(pages, i));
		i += folio_nr_pages(folio);
		folio_put(folio);
	}
	for (i = index; i < end; i += 1UL << order)
		pages->extents[i >> order] = 0;
	return true;
}

/*
 * Let go of pages that nobody else has, and have their entries be 0. Returns how
 * many are left.
 */
static unsigned long drop_free(struct shatomic_pages *pages)
{
	unsigned int order = pages->extent_shift - PAGE_SHIFT;
	unsigned long index = 0, left = 0, n;

	while (index < pages->count) {
		if (!pages->extents[index >> order]) {
			index += 1UL << order;
			cond_resched();
			continue;
		}
		n = unit_at(pages, index);
		if (!drop_unit(pages, index, n))
			left += n;
		index += n;
		cond_resched();
	}
	return left;
}

static void free_remains(struct shatomic_remains *remains)
{
	kvfree(remains->pages.extents);
	kfree(remains);
}

/* Returns whether anything became free. */
static bool drop_all_freed(void)
{
	struct shatomic_remains *one, *next;
	bool any = false;
	u64 left;

	lockdep_assert_held(&remains_lock);
	list_for_each_entry_safe(one, next, &remains, node) {
		left = (u64)drop_free(&one->pages) << PAGE_SHIFT;
		if (left == one->charge.bytes)
			continue;
		any = true;
		shatomic_shrink_charge(&one->charge, left);
		if (!left) {
			list_del(&one->node);
			free_remains(one);
		}
	}
	return any;
}

static void look_again(struct work_struct *work)
{
	if (xchg(&remains_new, false))
		settle_all();
	mutex_lock(&remains_lock);
	remains_wait = drop_all_freed() ?
			       SHORTEST_WAIT :
			       min_t(unsigned long, remains_wait * 2,
				     LONGEST_WAIT);
	if (!list_empty(&remains))
		queue_delayed_work(memory_queue, &look_again_work,
				   remains_wait);
	mutex_unlock(&remains_lock);
}

/**
 * shatomic_remains_drop() - Let go of what remained and nobody else has any more
 *
 * Return: Whether there was any.
 */
bool shatomic_remains_drop(void)
{
	bool any;

	/* Two loads of pointers: nearly always nothing remains. */
	if (data_race(list_empty(&remains)))
		return false;
	mutex_lock(&remains_lock);
	any = drop_all_freed();
	mutex_unlock(&remains_lock);
	return any;
}

/**
 * shatomic_pages_drop() - Let go of the pages of a region that has ended
 * @ended: Its pages, which are no longer in the page cache, and what it is
 *	charged for. It is freed by this, or when the last page is.
 */
void shatomic_pages_drop(struct shatomic_remains *ended)
{
	u64 left = (u64)drop_free(&ended->pages) << PAGE_SHIFT;

	shatomic_end_charge(&ended->charge, left, ended->is_users);
	if (!left) {
		free_remains(ended);
		return;
	}
	mutex_lock(&remains_lock);
	list_add_tail(&ended->node, &remains);
	WRITE_ONCE(remains_new, true);
	remains_wait = SHORTEST_WAIT;
	mod_delayed_work(memory_queue, &look_again_work, remains_wait);
	mutex_unlock(&remains_lock);
}

static void abandon(struct shatomic_pages *pages)
{
	unsigned int order = pages->extent_shift - PAGE_SHIFT;
	unsigned long index = 0;
	struct folio *folio;

	while (index < pages->count) {
		if (!pages->extents[index >> order]) {
			index += 1UL << order;
			continue;
		}
		folio = page_folio(shatomic_page_at(pages, index));
		index += folio_nr_pages(folio);
		folio_put(folio);
	}
}

/* Whoever has pages that remain keeps them: the last reference is theirs then. */
void shatomic_memory_exit(void)
{
	struct shatomic_remains *one, *next;

	cancel_delayed_work_sync(&look_again_work);
	destroy_workqueue(memory_queue);
	list_for_each_entry_safe(one, next, &remains, node) {
		abandon(&one->pages);
		shatomic_shrink_charge(&one->charge, 0);
		list_del(&one->node);
		free_remains(one);
	}
}
