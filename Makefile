# Loom. The two commands of the README: make run, make test. `make help` lists the rest.

BUILD   ?= build
DIRS    ?= base format tokenizer model model/families quant load backend backend/cpu run engine encode server cli
CC      ?= gcc
PREFIX  ?= /usr/local
DESTDIR ?=
VERSION := 0.1.0

WARN    := -Wall -Wextra -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings \
           -Wundef -Wformat=2 -Werror
OPT     ?= -O2 -g
HARDEN  ?= -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIC
SAN     ?=
# -iquote: our limits.h must not stand before the system's <limits.h>.
INC     := -iquote include $(addprefix -iquote src/,$(DIRS))
CPPFLAGS += $(INC) -D_GNU_SOURCE -DLOOM_VERSION='"$(VERSION)"'
# No contraction: a fused multiply-add stands in the source where it is meant (docs/numerics.md).
CFLAGS  += -std=c11 $(OPT) $(WARN) $(HARDEN) -ffp-contract=off -fno-math-errno -fvisibility=hidden -pthread $(SAN)
LDFLAGS += -pie -Wl,-z,relro,-z,now -pthread $(SAN)
LIBS    := -ljansson -lyaml -lpcre2-8 -lutf8proc -lcurl -lcrypto -ldl -lm

SRC     := $(sort $(foreach d,$(DIRS),$(wildcard src/$(d)/*.c)))
MAIN    := src/cli/main.c
OBJ     := $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out $(MAIN),$(SRC)))
LIB     := $(BUILD)/libloom.a
BIN     := $(BUILD)/loom

# One translation unit per instruction set; the table in backend/cpu chooses at start.
$(BUILD)/obj/src/run/sample.o: CFLAGS += -O3 -fno-trapping-math
$(BUILD)/obj/src/backend/cpu/%_avx2.o:   CFLAGS += -O3 -mavx2 -mfma -mf16c
$(BUILD)/obj/src/backend/cpu/%_avx512.o: CFLAGS += -O3 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c
$(BUILD)/obj/src/backend/cpu/%_vnni.o:   CFLAGS += -O3 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mfma -mf16c
$(BUILD)/obj/src/backend/cpu/%_bf16.o:   CFLAGS += -O3 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512bf16 -mfma

# One short line for each file; `make V=1` shows the commands, `make -s` nothing.
Q   := $(if $(V),,@)
SAY := $(if $(V)$(findstring s,$(firstword -$(MAKEFLAGS))),@:,@echo)

.PHONY: all lib run test unit pytests lint asan tsan bench install clean help deps
all: deps $(BIN)

deps:
	@tools/install-deps.sh build

lib: $(LIB)

$(LIB): $(OBJ)
	@rm -f $@
	$(SAY) "  ar $@"
	$(Q)$(AR) rcs $@ $(OBJ)

$(BIN): $(BUILD)/obj/$(MAIN:.c=.o) $(LIB)
	$(SAY) "  ld $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

# What is missing is installed before anything compiles, also under -j.
$(BUILD)/obj/%.o: %.c | deps
	@mkdir -p $(@D)
	$(SAY) "  cc $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# --- tests: tests/unit/test_*.c and tests/kernels/test_*.c are cmocka programs of one file each
TESTSRC := $(sort $(wildcard tests/unit/test_*.c tests/kernels/test_*.c tests/fuzz/fuzz_*.c))
TESTBIN := $(patsubst %.c,$(BUILD)/%,$(TESTSRC))
$(BUILD)/obj/tests/%.o: CPPFLAGS += -Itests -DLOOM_TEST_DIR='"$(CURDIR)/tests"'
$(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(LIB)
	@mkdir -p $(@D)
	$(SAY) "  ld $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS) -lcmocka

unit: $(TESTBIN)

test: deps $(BIN)
	@tools/install-deps.sh test
	@$(MAKE) --no-print-directory unit
	@BUILD=$(BUILD) tools/run-tests.sh

run: deps
	@$(MAKE) --no-print-directory $(BIN)
	@BUILD=$(BUILD) tools/make-run.sh

lint: deps
	@tools/install-deps.sh lint
	@BUILD=$(BUILD) tools/lint.sh

# The tests again under AddressSanitizer and UndefinedBehaviorSanitizer, in a build folder of their own.
# Tracking variables through the unrolled reference kernels takes gcc minutes a file, and serves debuggers only.
asan: deps
	@tools/install-deps.sh test
	@$(MAKE) --no-print-directory BUILD=$(BUILD)-asan OPT="-O1 -g -fno-var-tracking" HARDEN= \
	  SAN="-fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined" asan-inner
.PHONY: asan-inner
asan-inner: $(BIN) unit
	@BUILD=$(BUILD) LOOM_SANITIZE=1 tools/run-tests.sh

# What has threads, under ThreadSanitizer.
TSAN_TESTS := registry engine engine_many storm threads runner log keep
tsan: deps
	@tools/install-deps.sh test
	@$(MAKE) --no-print-directory BUILD=$(BUILD)-tsan SAN=-fsanitize=thread OPT='-O1 -g -fno-var-tracking' HARDEN=-fPIC all \
		$(patsubst %,$(BUILD)-tsan/tests/unit/test_%,$(TSAN_TESTS))
	@BUILD=$(BUILD)-tsan tools/run-tsan.sh

bench: deps $(BIN)
	@$(MAKE) --no-print-directory $(BUILD)/tests/kernels/test_matmul $(BUILD)/tests/kernels/test_dot
	@tools/install-deps.sh bench
	@BUILD=$(BUILD) bench/run.sh

# Shared library of the C interface: only what loom.h declares is visible.
LIBOBJ := $(filter-out $(BUILD)/obj/src/server/% $(BUILD)/obj/src/cli/% $(BUILD)/obj/src/encode/%,$(OBJ))
$(BUILD)/libloom.so.0: $(LIBOBJ)
	$(CC) -shared -Wl,-soname,libloom.so.0 -Wl,-z,relro,-z,now -pthread $(SAN) -o $@ $^ -ljansson -lpcre2-8 -lutf8proc -lcurl -lcrypto -lm

install: deps $(BIN) $(BUILD)/libloom.so.0
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/share/man/man1
	install -s -m 755 $(BIN) $(DESTDIR)$(PREFIX)/bin/loom
	install -m 644 $(LIB) $(DESTDIR)$(PREFIX)/lib/libloom.a
	install -m 755 $(BUILD)/libloom.so.0 $(DESTDIR)$(PREFIX)/lib/libloom.so.0
	ln -sf libloom.so.0 $(DESTDIR)$(PREFIX)/lib/libloom.so
	install -m 644 include/loom.h $(DESTDIR)$(PREFIX)/include/loom.h
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' packaging/loom.pc.in > $(DESTDIR)$(PREFIX)/lib/pkgconfig/loom.pc
	install -m 644 packaging/loom.1 $(DESTDIR)$(PREFIX)/share/man/man1/loom.1

help:
	@echo 'make run      install what is missing, build, fetch two small models, serve them, show two answers'
	@echo 'make test     install what is missing, build, run every test'
	@echo 'make          build/loom'
	@echo 'make lint     folder law, headers, gcc and clang warnings, clang-tidy'
	@echo 'make asan     the tests under AddressSanitizer and UndefinedBehaviorSanitizer'
	@echo 'make tsan     what has threads, under ThreadSanitizer'
	@echo 'make bench    the kernels, then Loom beside its peers'
	@echo 'make install  binary, libloom, loom.h, pkg-config file, man page (PREFIX, DESTDIR)'
	@echo 'make clean'

clean:
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-tsan

-include $(OBJ:.o=.d) $(BUILD)/obj/$(MAIN:.c=.d) $(patsubst %.c,$(BUILD)/obj/%.d,$(TESTSRC))
