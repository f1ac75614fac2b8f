# What a contributor and the continuous integration run. `make test` is all of it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := test
CARGO ?= cargo

.PHONY: test deps fmt fmt-check lint docs unit simulate soak bench chaos

# Everything that must hold before a change goes in. One after the other, so that the closing lines
# are those of the test runner.
test:
	scripts/install-test-deps.sh
	$(MAKE) --no-print-directory fmt-check
	$(MAKE) --no-print-directory lint
	$(MAKE) --no-print-directory docs
	$(MAKE) --no-print-directory unit

# The servers that the tests start: redis-server and postgres.
deps:
	scripts/install-test-deps.sh

fmt:
	$(CARGO) fmt

fmt-check:
	$(CARGO) fmt --check

lint:
	$(CARGO) clippy --all-targets --locked -- -D warnings

docs:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --locked

# How many seconds of fresh seeds the simulator tries; a plain `cargo test` tries two.
SIM_SECONDS ?= 60

unit:
	SIM_SECONDS=$(SIM_SECONDS) $(CARGO) test --locked

# Only the simulator: see docs/simulation.md.
simulate:
	SIM_SECONDS=$(SIM_SECONDS) $(CARGO) test --locked --lib simulation

# An hour of it, optimised.
soak: SIM_SECONDS = 3600
soak:
	SIM_SECONDS=$(SIM_SECONDS) $(CARGO) test --locked --profile soak --lib simulation

# Figures, not promises: see bench/.
bench:
	$(CARGO) build --release --locked
	$(CARGO) run --release --locked --manifest-path bench/Cargo.toml

# Traffic while hubs and Redis are killed, and a check of the history: CHAOS_SECONDS (60), CHAOS_SEED
# (random), CHAOS_MODE (redis or embedded; both). Prints the seed; see docs/operations.md.
chaos:
	$(CARGO) test --locked --test it chaos::for_as_long_as_it_is_told_to -- --ignored --exact
