# SPDX-License-Identifier: GPL-2.0-only
# What can be asked for: each is a script, or made by a makefile of its own.
# tools/build.mk has how the parts are built and installed.

# The library is made for each part that needs it, and packages are installed;
# make -j is for what is within a part.
.NOTPARALLEL:

# Tells the words behind ## of each target that has some.
help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s  %s\n", $$1, $$2 }' \
		$(MAKEFILE_LIST)

include tools/build.mk

run: ## count the words of real text with 4 processes, on both backends
	@tools/run-count

test: all ## run all tests, native and in a guest
	@tests/run

setup: ## install with apt what the others need (they do so too)
	@tools/setup build module guest source tests
	@tests/vm/kernel image >/dev/null

all: setup module test-module library command man examples tests ## build all parts

test-matrix: ## the tests in guests of five kernels
	@tests/matrix cloud rt 6.12 trixie newest build:previous

test-arch: ## the tests in guests of arm64 and s390x, cross-built
	@tests/matrix arm64 arm64:cortex-a57 s390x

test-debug: ## all tests in guests whose kernels look for faults
	@tests/matrix debug kcsan

intree: ## lay the module into a kernel source: DIR=
	@tools/intree/lay "$(DIR)"

test-intree: ## build and test it there, with the kernel
	@tests/intree 6.1
	@tests/intree newest

test-model: ## check the models of who owns what, in every order
	@tools/setup model
	@mkdir -p build/log
	@TEST_TIMEOUT=3600 tests/suite model tests/model-check | tee build/log/model.tap
	@tests/summary build/log/model.tap

# Each sanitizer's library, tests and command lie beside the ordinary ones.
test-sanitize: tests command ## the tests on memfd under sanitizers and valgrind
	@tools/setup sanitize
	for tool in address undefined thread; do \
		$(MAKE) -C tests SANITIZE=$$tool native $(SELFTESTS) && \
		$(MAKE) -C tools/shatomic SANITIZE=$$tool || exit; \
	done
	@tests/sanitize

fuzz-library: SECONDS ?= 60
fuzz-library: ## fuzz the library and the command; SECONDS=60 each
	@tools/setup fuzz source build
	$(MAKE) -C tests/fuzz $(SELFTESTS)
	@tests/fuzz/run $(SECONDS)

# The module of its own, with what tells where it has been: but not the loops
# over rows, which are the same for each operation and width, and most of it.
fuzz-module: CALLS ?= 10000000
fuzz-module: FLAVOUR ?= debug
fuzz-module: library command ## fuzz the module in a guest; CALLS=10000000
	@tools/setup source tests guest kernel
	$(MAKE) test-module KDIR=$$(tests/vm/kernel --flavour $(FLAVOUR) headers) \
		MODULE_MAKE="$$(tests/vm/kernel --flavour $(FLAVOUR) make)" \
		KERNEL_RELEASE=$$(tests/vm/kernel --flavour $(FLAVOUR) release) \
		MODULE_DIR=build/fuzz/$(FLAVOUR)/module \
		MODULE_KO=build/fuzz/$(FLAVOUR)/shatomic.ko \
		$(if $(filter debug,$(FLAVOUR)),GCOV_PROFILE=y) KCOV_INSTRUMENT=y \
		KCOV_INSTRUMENT_integer.o=n KCOV_INSTRUMENT_fold.o=n
	$(MAKE) -C tests/fuzz calls
	@mkdir -p build/log
	@FLAVOUR=$(FLAVOUR) tests/fuzz/run-module $(CALLS) | \
		tee build/log/fuzz-module-$(FLAVOUR).tap
	@tests/summary build/log/fuzz-module-$(FLAVOUR).tap

torture: SECONDS ?= 600
torture: module library command ## kill, plug and starve in a guest; SECONDS=600
	@tools/setup source tests guest
	$(MAKE) -C tests STATIC=1 torture $(SELFTESTS)
	@mkdir -p build/log
	@tests/vm/guest torture $(SECONDS) | tee build/log/torture.tap
	@tests/summary build/log/torture.tap

deb: ## the Debian packages, in build/deb
	@tools/make-deb

test-deb: deb ## install, use and purge them in a guest with Debian
	@tests/deb/run

bench: ## measure batches, native, in a guest and in the kernel
	@tools/bench/run build/bench

shell: all ## a shell in a guest with the module loaded
	@tests/vm/guest shell

lint: all ## static checks of all sources
	@tools/lint

clean: ## remove build/
	rm -rf build

.PHONY: help run test setup all test-matrix test-arch test-debug intree \
	test-intree test-model test-sanitize fuzz-library fuzz-module torture \
	deb test-deb bench shell lint clean
