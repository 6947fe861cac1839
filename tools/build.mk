# SPDX-License-Identifier: GPL-2.0-only
# How the parts are built and installed. Makefile includes it: recipes run at the
# top of the tree.

# The kernel that the module is built for: that of the test guests, unless
# KDIR names the build directory of another.
KDIR ?= $(shell tests/vm/kernel headers)
KERNEL_RELEASE ?= $(patsubst linux-headers-%,%,$(notdir $(KDIR:%/build=%)))
# What makes modules for it, see tests/vm/kernel. The + is since make takes only
# what is called MAKE for a make.
MODULE_MAKE ?= $(MAKE)
PREFIX ?= /usr/local
MODULE_DIR = build/module/$(KERNEL_RELEASE)
MODULE_KO = build/shatomic.ko
# For those who build with the kernel's harness, whose source is looked for then.
SELFTESTS = KSELFTEST_DIR=$$(tools/kernel-source)/tools/testing/selftests

# kbuild writes beside its sources; a copy a kernel keeps the tree clean.
module: ## build shatomic.ko; KDIR=... for another kernel
	@tools/setup build module
	@mkdir -p $(MODULE_DIR) $(dir $(MODULE_KO))
	@cp -ru --parents Kbuild kmod lib/engine include $(MODULE_DIR)
	+$(MODULE_MAKE) -C $(KDIR) M=$(CURDIR)/$(MODULE_DIR) W=1 \
		CONFIG_DEBUG_INFO_BTF_MODULES= modules
	@cp $(MODULE_DIR)/shatomic.ko $(MODULE_KO)

# A driver that tests have beside it, for the same kernel.
test-module: module
	@cp -ru --parents tests/importer $(MODULE_DIR)
	+$(MODULE_MAKE) -C $(KDIR) M=$(CURDIR)/$(MODULE_DIR)/tests/importer W=1 \
		CONFIG_DEBUG_INFO_BTF_MODULES= modules

library:
	@tools/setup build
	$(MAKE) -C lib

command:
	@tools/setup build
	$(MAKE) -C tools/shatomic
	$(MAKE) -C tools/shatomic completion
	$(MAKE) -C tools/shatomic STATIC=1

examples:
	@tools/setup build
	$(MAKE) -C tools/examples
	$(MAKE) -C tools/examples STATIC=1

# From the headers, the module and the command, by the kernel's own script.
man: module command ## the manual pages, in build/man
	@tools/setup man
	@tools/man/make-pages $(KDIR)/scripts/kernel-doc build/shatomic.ko \
		build/bin/shatomic build/man

tests: library
	@tools/setup source tests
	$(MAKE) -C tests $(SELFTESTS)
	$(MAKE) -C tests $(SELFTESTS) STATIC=1

install: library command man ## install library, command, completions, pages; DESTDIR=, PREFIX=
	$(MAKE) -C lib install
	$(MAKE) -C tools/shatomic install
	$(MAKE) -C tools/examples install
	tools/man/install-pages build/man $(DESTDIR)$(PREFIX)/share/man
	install -D -m 644 tools/udev/60-shatomic.rules \
		$(DESTDIR)/lib/udev/rules.d/60-shatomic.rules
	install -D -m 644 tools/udev/run-shatomic.mount \
		$(DESTDIR)/lib/systemd/system/run-shatomic.mount
	install -D -m 644 tools/udev/shatomic.sysusers \
		$(DESTDIR)/usr/lib/sysusers.d/shatomic.conf

install-module: module ## install the module for the kernel of KDIR
	$(MAKE) -C $(KDIR) M=$(CURDIR)/$(MODULE_DIR) INSTALL_MOD_PATH=$(DESTDIR) \
		modules_install

.PHONY: module test-module library command examples man tests install \
	install-module
