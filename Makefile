# Everything that a person or CI does. The first two are `make run` and `make test`.

.PHONY: help run test test-unit test-matrix test-vm record build release man lint format bench proto clean deps deps-test \
  interop test-build soak fuzz test-asan
.DEFAULT_GOAL := help

# Warnings are errors in this package's own targets (see Package.swift).
export STRICT := 1

SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
HOST := testdata/systemd-host
# Several checkouts, and runs at once, have hosts of their own.
HOST_NAME = $@-$(shell echo $$PPID)
INTEROP := .build/interop
FUZZ_BUILD := .build/fuzz
RELEASE := .build/release-static
GO := GO111MODULE=off GOPATH=/usr/share/gocode go

BUILD_PACKAGES := g++ libgrpc-dev pkg-config
RUN_PACKAGES := systemd dbus util-linux
TEST_PACKAGES := $(BUILD_PACKAGES) $(RUN_PACKAGES) \
  golang-go golang-google-grpc-dev golang-github-hashicorp-go-plugin-dev

# Debian's releases with the systemd 247, 252, 254, 257 and the newest.
MATRIX := bullseye bookworm bookworm-backports trixie sid
MATRIX_PACKAGES := debootstrap debian-archive-keyring

VM_PACKAGES := qemu-system-x86 busybox-static cpio kmod xz-utils

# Installs those of the packages $(1) that are missing.
define install
	@missing=; for package in $(1); do \
	  dpkg-query -W -f='$${db:Status-Status}' $$package 2>/dev/null | grep -qx installed || missing="$$missing $$package"; \
	done; \
	if [ -n "$$missing" ]; then \
	  echo "Installing$$missing"; \
	  $(SUDO) apt-get update -qq && \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing >/dev/null; \
	fi
endef

help: ## Show the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps:
	$(call install,$(BUILD_PACKAGES))

deps-test:
	$(call install,$(TEST_PACKAGES))

# Links libgrpc and what it needs statically, by links to its archives in a directory of their own: its pkg-config file
# names more libraries than a command line holds if SwiftPM is to repeat them.
RELEASE_FLAGS = -c release --static-swift-stdlib -Xlinker -L$(CURDIR)/$(RELEASE) -Xlinker --start-group \
  $(shell ls $(RELEASE) 2>/dev/null | sed -n 's/^lib\(.*\)\.a$$/-Xlinker -l\1/p') -Xlinker --end-group -Xlinker -lstdc++

$(RELEASE): | deps
	@mkdir -p bin $@
	@for library in $$(pkg-config --static --libs-only-l grpc | tr ' ' '\n' | sed -n 's/^-l//p' | sort -u); do \
	  case $$library in c|m|dl|rt|pthread|resolv) continue;; esac; \
	  archive=$$(gcc -print-file-name=lib$$library.a); \
	  if [ -e "$$archive" ]; then ln -sf "$$archive" $@/; fi; \
	done

build: deps $(RELEASE) ## Build the release binary, bin/nomad-driver-systemd, which needs only glibc and libstdc++.
	@mkdir -p bin
	$(MAKE) --no-print-directory release PRODUCT=nomad-driver-systemd
	strip -o bin/nomad-driver-systemd .build/release/nomad-driver-systemd

release:
	swift build $(RELEASE_FLAGS) --product $(PRODUCT)

man: deps ## Make the manual page, bin/nomad-driver-systemd.1, from the program's help.
	@mkdir -p bin
	swift package plugin generate-manual --configuration debug
	cp .build/plugins/GenerateManual/outputs/nomad-driver-systemd/nomad-driver-systemd.1 bin/

run: build ## Build, and run the example unit testdata/units/hello.service to its end in a private host.
	$(call install,$(RUN_PACKAGES))
	$(SUDO) $(HOST) run $(HOST_NAME) sh -ec 'cp testdata/units/hello.service /run/systemd/system/; \
	  systemctl daemon-reload; bin/nomad-driver-systemd run hello.service'

interop: deps-test
	@mkdir -p $(INTEROP)
	@for peer in grpcpeer goplugin-host goplugin-plugin; do \
	  $(GO) build -o $(INTEROP)/$$peer ./Tests/Interop/$$peer || exit 1; \
	done
	@gcc -Wall -Werror -shared -fPIC -o $(INTEROP)/clock-shift.so Tests/Interop/clock-shift.c

test-build: interop
	swift build --build-tests

# A process for each module's tests: some look at what their whole process holds.
UNIT_MODULES := $(notdir $(wildcard Tests/Unit/*)) FuzzTests
run_tests = sh -ec 'for module in $(1); do swift test --skip-build $(SANITIZER) --filter "^$$module\." $(SKIP); done'
# HostTests have a host of their own: after PID 1 has executed itself anew many times, it does not work quite as before.
HOST_RUN = $(SUDO) $(HOST) run $(HOST_NAME) env INTEGRATION_SYSTEMD=1

test-unit: test-build ## Run the tests that need neither root nor systemd.
	@$(call run_tests,$(UNIT_MODULES))

test: test-unit ## Run every test; those against systemd in a private host, as root.
	@if [ "$$(id -u)" = 0 ]; then \
	  $(HOST_RUN) $(call run_tests,IntegrationTests) || exit; \
	  $(HOST_RUN) $(call run_tests,HostTests) || exit; \
	  if grep -qw name=systemd /proc/self/mountinfo; then \
	    echo "Once more on control groups version 1: what is counted there"; \
	    SYSTEMD_HOST_CGROUP=v1 $(HOST_RUN) swift test --skip-build --filter '^IntegrationTests\.StatisticsTests'; \
	  fi; \
	elif [ -n "$$CI" ]; then \
	  echo "The tests against systemd need root, and CI must not skip them." >&2; exit 1; \
	else \
	  echo "Skipping the tests against systemd: they need root to start a private host (sudo make test)."; \
	  $(call run_tests,IntegrationTests); \
	fi

# In a directory of its own, as all is built otherwise; linked by lld, as gold cannot. Of Debian's libgrpc only the calls of
# malloc(3) and the like are checked. Tests bound the memory of the plugin, so little of what it has freed is kept. Leaks are
# not looked for: Swift marks its references to indirect enums, and those of every global are reported. Left out are tests
# that bound the memory more narrowly, and runCommand, which compares what is printed: `run` starts its plugin with an
# environment of its own, without these options.
test-asan: SANITIZER = --sanitize=address --scratch-path .build/asan -Xswiftc -use-ld=lld
test-asan: SKIP = --skip "theCollectorStopsReading|streamsThatNobodyReads|nothingGrowsWithTheNumberOfCalls|runCommand"
test-asan: export ASAN_OPTIONS = detect_leaks=0:quarantine_size_mb=8
test-asan: export NOMAD_DRIVER_BINARY = $(CURDIR)/.build/asan/debug/nomad-driver-systemd
test-asan: interop ## Run every test with its memory and the plugin's checked by AddressSanitizer, as root.
	swift build --build-tests $(SANITIZER)
	$(call run_tests,$(UNIT_MODULES))
	$(HOST_RUN) $(call run_tests,IntegrationTests)
	$(HOST_RUN) $(call run_tests,HostTests)

# Swift's own handler of crashes would come before libFuzzer's, which keeps the input.
fuzz: export SWIFT_BACKTRACE = enable=no
fuzz: SECONDS = 60
fuzz: deps ## Look for inputs that break something, SECONDS=60 for each of the TARGETS="unit-name …" (all).
	FUZZ=1 swift build -c release --product driver-fuzz --scratch-path $(FUZZ_BUILD)
	@for target in $(or $(TARGETS),$$($(FUZZ_BUILD)/release/driver-fuzz)); do \
	  echo "Fuzzing $$target for $(SECONDS) s"; \
	  $(FUZZ_BUILD)/release/driver-fuzz $$target $(FUZZ_BUILD)/corpus/$$target -max_total_time=$(SECONDS) -max_len=4096 \
	    -timeout=10 -detect_leaks=0 -print_final_stats=1 -artifact_prefix=$(FUZZ_BUILD)/$$target- >$(FUZZ_BUILD)/$$target.log 2>&1 || { \
	      grep -aE 'Fatal error|ERROR|Test unit|Base64' $(FUZZ_BUILD)/$$target.log; \
	      echo "See $(FUZZ_BUILD)/$$target.log. Again: $(FUZZ_BUILD)/release/driver-fuzz $$target FILE"; exit 1; }; \
	  grep -aE 'Seed|number_of_executed|average_exec' $(FUZZ_BUILD)/$$target.log; \
	done

test-matrix: test-build ## Run the tests against systemd in private hosts of Debian releases (MATRIX="bullseye sid"), as root.
	$(call install,$(MATRIX_PACKAGES))
	$(SUDO) testdata/test-matrix $(MATRIX)

# Where the machine's control groups are version 1's, or lack controllers.
test-vm: FILTER = ^IntegrationTests\.(StatisticsTests|ExecTests/theUnitsLimits|ExecContextTests/aSlice)
test-vm: test-build ## Run the tests of statistics and limits (or FILTER="…") on version 2 with all controllers, in an emulated machine.
	$(call install,$(VM_PACKAGES))
	$(SUDO) testdata/test-vm '$(FILTER)'

record: test-build ## Record anew what passes between the driver and systemd: testdata/transcripts.
	$(call install,$(MATRIX_PACKAGES))
	$(SUDO) testdata/test-matrix --record $(MATRIX)

lint: ## Check the formatting.
	swift format lint --strict --parallel --recursive Package.swift Sources Tests

format: ## Format the code.
	swift format --in-place --parallel --recursive Package.swift Sources Tests

proto: ## Generate the code for the .proto files anew.
	$(call install,$(BUILD_PACKAGES) protobuf-compiler)
	swift build --product protoc-gen-swift
	swift build --product protoc-gen-grpc-swift-2
	$(call generate,NomadPlugin)
	@# The generator emits invalid Swift for the RPC named Init; its name on the wire stays.
	sed -i -E 's/(func |self\.)init([<(])/\1initialize\2/' Sources/NomadPlugin/Generated/task_driver.grpc.swift
	$(call generate,GoPlugin)

# Generates the internal code of module $(1): messages for all of its .proto files, stubs for those with services.
define generate
	rm -f Sources/$(1)/Generated/*
	protoc $(PROTO_PATHS) -I Sources/$(1)/Protos --plugin=.build/debug/protoc-gen-swift \
	  --swift_out=Sources/$(1)/Generated --swift_opt=Visibility=Internal,UseAccessLevelOnImports=true \
	  $(notdir $(wildcard Sources/$(1)/Protos/*.proto))
	protoc $(PROTO_PATHS) -I Sources/$(1)/Protos --plugin=.build/debug/protoc-gen-grpc-swift-2 \
	  --grpc-swift-2_out=Sources/$(1)/Generated --grpc-swift-2_opt=Visibility=Internal,UseAccessLevelOnImports=true \
	  $(notdir $(shell grep -l '^service ' Sources/$(1)/Protos/*.proto))
endef
# Debian's protoc comes without the well-known types.
PROTO_PATHS := -I .build/checkouts/swift-protobuf/Protos/Sources/SwiftProtobuf

bench: build ## Measure, and print the figures as a table; PARTS="calls logs …" for some of them.
	$(call install,$(RUN_PACKAGES))
	$(MAKE) --no-print-directory release PRODUCT=driver-bench
	$(SUDO) $(HOST) run $(HOST_NAME) .build/release/driver-bench bin/nomad-driver-systemd $(PARTS)

soak: build ## Run tasks for SECONDS (3600) with all that can happen to them, and compare with what must be true.
	$(call install,$(RUN_PACKAGES))
	$(MAKE) --no-print-directory release PRODUCT=driver-soak
	$(SUDO) $(HOST) run $(HOST_NAME) .build/release/driver-soak bin/nomad-driver-systemd $(or $(SECONDS),3600)

clean: ## Remove what was built.
	rm -rf .build bin
