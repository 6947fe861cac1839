# SPDX-License-Identifier: GPL-2.0-only
# One screen of targets; each is a script or a makefile of its own.

# The kernel that the module is built for: that of the test guests, unless
# KDIR names the build directory of another.
KDIR ?= $(shell tests/vm/kernel headers)
KERNEL_RELEASE ?= $(patsubst linux-headers-%,%,$(notdir $(KDIR:%/build=%)))
PREFIX ?= /usr/local
MODULE_DIR = build/module/$(KERNEL_RELEASE)
MODULE_KO = build/shatomic.ko

help:
	@echo 'make run       count the words of real text with 4 processes, on both backends'
	@echo 'make test      run all tests, native and in a guest'
	@echo 'make test-matrix  the tests in guests of three kernels'
	@echo 'make test-arch    the tests in guests of arm64 and s390x, cross-built'
	@echo 'make test-debug  all tests in guests whose kernels look for faults'
	@echo 'make intree    lay the module into a kernel source: DIR='
	@echo 'make test-intree  build and test it there, with the kernel'
	@echo 'make test-model  check the models of who owns what, in every order'
	@echo 'make test-sanitize  the tests on memfd under sanitizers and valgrind'
	@echo 'make fuzz-library   fuzz the library and the command; SECONDS=60 each'
	@echo 'make torture   kill, plug and starve in a guest; SECONDS=600'
	@echo 'make shell     a shell in a guest with the module loaded'
	@echo 'make all       build module, library, command, examples and tests'
	@echo 'make module    build shatomic.ko; KDIR=... for another kernel'
	@echo 'make man       the manual pages, in build/man'
	@echo 'make install   install library, command, completions, pages; DESTDIR=, PREFIX='
	@echo 'make install-module  install the module for the kernel of KDIR'
	@echo 'make deb       the Debian packages, in build/deb'
	@echo 'make test-deb  install, use and purge them in a guest with Debian'
	@echo 'make bench     measure batches, native, in a guest and in the kernel'
	@echo 'make lint      static checks of all sources'
	@echo 'make setup     install with apt what the others need (they do so too)'
	@echo 'make clean     remove build/'

setup:
	@tools/setup build module guest source tests
	@tests/vm/kernel image >/dev/null

all: setup module test-module library command man examples tests

# kbuild writes beside its sources; a copy a kernel keeps the tree clean.
module:
	@tools/setup build module
	@mkdir -p $(MODULE_DIR) $(dir $(MODULE_KO))
	@cp -ru --parents Kbuild kmod lib/engine include $(MODULE_DIR)
	$(MAKE) -C $(KDIR) M=$(CURDIR)/$(MODULE_DIR) W=1 \
		CONFIG_DEBUG_INFO_BTF_MODULES= modules
	@cp $(MODULE_DIR)/shatomic.ko $(MODULE_KO)

# A driver that tests have beside it, for the same kernel.
test-module: module
	@cp -ru --parents tests/importer $(MODULE_DIR)
	$(MAKE) -C $(KDIR) M=$(CURDIR)/$(MODULE_DIR)/tests/importer W=1 \
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
man: module command
	@tools/setup man
	@tools/man/make-pages $(KDIR)/scripts/kernel-doc build/shatomic.ko \
		build/bin/shatomic build/man

tests: library
	@tools/setup source tests
	$(MAKE) -C tests KSELFTEST_DIR=$$(tools/kernel-source)/tools/testing/selftests
	$(MAKE) -C tests KSELFTEST_DIR=$$(tools/kernel-source)/tools/testing/selftests STATIC=1

run:
	@tools/run-count

test: all
	@tests/run

test-matrix:
	@tests/matrix cloud rt 6.12

test-arch:
	@tests/matrix arm64 arm64:cortex-a57 s390x

test-debug:
	@tests/matrix debug kcsan

intree:
	@tools/intree/lay "$(DIR)"

test-intree:
	@tests/intree

test-model:
	@tools/setup model
	@mkdir -p build/log
	@TEST_TIMEOUT=3600 tests/suite model tests/model-check | tee build/log/model.tap
	@tests/summary build/log/model.tap

# Each sanitizer's library, tests and command lie beside the ordinary ones.
test-sanitize: tests command
	@tools/setup sanitize
	for tool in address undefined thread; do \
		$(MAKE) -C tests SANITIZE=$$tool native \
			KSELFTEST_DIR=$$(tools/kernel-source)/tools/testing/selftests && \
		$(MAKE) -C tools/shatomic SANITIZE=$$tool || exit; \
	done
	@tests/sanitize

fuzz-library: SECONDS ?= 60
fuzz-library:
	@tools/setup fuzz source build
	$(MAKE) -C tests/fuzz KSELFTEST_DIR=$$(tools/kernel-source)/tools/testing/selftests
	@tests/fuzz/run $(SECONDS)

torture: SECONDS ?= 600
torture: module library command
	@tools/setup source tests guest
	$(MAKE) -C tests STATIC=1 torture \
		KSELFTEST_DIR=$$(tools/kernel-source)/tools/testing/selftests
	@mkdir -p build/log
	@tests/vm/guest torture $(SECONDS) | tee build/log/torture.tap
	@tests/summary build/log/torture.tap

deb:
	@tools/make-deb

test-deb: deb
	@tests/deb/run

bench:
	@tools/bench/run build/bench

shell: all
	@tests/vm/guest shell

lint: all
	@tools/lint

install: library command man
	$(MAKE) -C lib install
	$(MAKE) -C tools/shatomic install
	$(MAKE) -C tools/examples install
	tools/man/install-pages build/man $(DESTDIR)$(PREFIX)/share/man
	install -D -m 644 tools/udev/60-shatomic.rules \
		$(DESTDIR)/lib/udev/rules.d/60-shatomic.rules
	install -D -m 644 tools/udev/shatomic.sysusers \
		$(DESTDIR)/usr/lib/sysusers.d/shatomic.conf

install-module: module
	$(MAKE) -C $(KDIR) M=$(CURDIR)/$(MODULE_DIR) INSTALL_MOD_PATH=$(DESTDIR) \
		modules_install

clean:
	rm -rf build

.PHONY: help setup all module test-module library command examples man tests \
	run test test-matrix test-arch test-debug intree test-intree test-model \
	test-sanitize fuzz-library torture deb test-deb bench shell lint install \
	install-module clean
