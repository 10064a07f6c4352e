# Everything a person or CI runs. `make` lists it.
GO     ?= go
NICE   ?= nice
FUZZ   ?= 30s
PKGS   := ./...
STATIC := honnef.co/go/tools/cmd/staticcheck@v0.8.2
DEAD   := golang.org/x/tools/cmd/deadcode@v0.52.0
SPELL  := github.com/golangci/misspell/cmd/misspell@v0.8.0

# Programs are built and tested without C, as they are delivered, so that all of them
# have the same compiled packages. The race detector needs C.
export CGO_ENABLED := 0

PACKAGE := backend/deploy/package

# The version and the time of the commit; VERSION=1.2.3 chooses another version.
VERSION ?= $(shell .ci/version)
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct)
# An environment variable with one of these names has no effect.
COMMIT   = $(shell git rev-parse HEAD 2>/dev/null)
MODIFIED = $(shell git status --porcelain 2>/dev/null | grep -q . && echo true || echo false)
LDFLAGS  = -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT) -X main.commitTime=$(SOURCE_DATE_EPOCH) -X main.modified=$(MODIFIED)

# The recipe of the programs that are delivered. The environment decides nothing: the
# same commit and the same Go give the same bytes. (An empty GOFLAGS would let the file
# of go env decide, and Go stores no commit for a linked worktree of git.)
PROGRAM    = env -u GOEXPERIMENT GOFLAGS=-buildvcs=false GOWORK=off GOAMD64=v1 GOARM64=v8.0 CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)'
PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

.DEFAULT_GOAL := help

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z.-]+:.*## / {printf "  %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## All of usher on this machine: pool, S3, backend, browser
	$(GO) run . demo

build: ## The program, in bin/usher
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/usher .

lambda: ## The server for AWS Lambda, in bin/lambda-arm64.zip and bin/lambda-x86_64.zip
	@for arch in arm64 amd64; do \
	  mkdir -p bin/lambda-$$arch && GOOS=linux GOARCH=$$arch $(PROGRAM) -tags nosandbox,lambda.norpc -o bin/lambda-$$arch/bootstrap . || exit 1; \
	  name=bin/lambda-$$(echo $$arch | sed s/amd64/x86_64/).zip; \
	  $(GO) run ./.ci/zip $$name bin/lambda-$$arch/bootstrap || exit 1; \
	done

release: lambda ## Archives, deb, rpm, SBOMs and SHA256SUMS of this commit, in bin/release; VERSION=1.2.3 names it
	rm -rf bin/release bin/programs
	@for p in $(PLATFORMS); do \
	  os=$${p%/*}; arch=$${p#*/}; mkdir -p bin/programs/$${os}_$$arch; echo "building $$p"; \
	  GOOS=$$os GOARCH=$$arch $(PROGRAM) -o bin/programs/$${os}_$$arch/ . || exit 1; \
	done
	$(GO) run -C $(PACKAGE) . -version '$(VERSION)' -date '$(SOURCE_DATE_EPOCH)' -tree '$(CURDIR)' -programs '$(CURDIR)/bin/programs' \
	  -commit '$(COMMIT)' -out '$(CURDIR)/bin/release' '$(CURDIR)/bin/lambda-arm64.zip' '$(CURDIR)/bin/lambda-x86_64.zip'

# The linker's flags of a release, for its tests.
ldflags:
	@echo '$(LDFLAGS)'

man: ## The manual pages of all commands, in bin/man
	$(GO) run . man --dir bin/man

# Three packages at a time: tests of servers and terminals wait more than they compute.
# make lint vets them. With RESULTS=FILE, the file has the events of the tests, for make
# adversary.
RESULTS ?=
test: ## All that needs only Go
	$(if $(RESULTS),$(GO) run ./.ci/results '$(RESULTS)' )$(GO) test $(if $(RESULTS),-json )-p 3 -timeout 20m -vet=off $(PKGS)
	$(GO) test -C $(PACKAGE) ./...

# Tests that only make test plays: negative controls of tests, the tree of the sources,
# frames of screens, scripts, and the longest ones, whose race make soak plays.
NORACE_TESTS := \
  TestControls \
  TestTheSuiteFindsBrokenStores \
  TestStoresDisagreeWithoutRows \
  TestScreens \
  TestProductionGraph \
  TestImportsPointDownwards \
  TestRulesCatchImports \
  TestRoomsHaveANameAndADoc \
  TestOneWayToAURL \
  TestFetchReleasesNothing \
  TestArchitectureNames \
  TestShellsComplete \
  TestCommandsEscapeTheirOutput \
  TestBrokenFiles \
  TestASinkOfAFileSurvivesKills \
  TestDebugHasNoSecret \
  TestSearch \
  TestStoresAgree \
  TestSuiteWithIndex \
  TestExamplesRun \
  TestScripts \
  TestComplianceChecks \
  TestEveryCommandFails \
  TestCommandsNameWhatTheyWaitFor \
  TestNoSecretOfASignInIsLeft \
  TestMainJobOnAStack \
  TestSuiteOverHTTP \
  TestTableOfChallenges \
  TestTokensAreForThisServer \
  TestScene[A-Za-z0-9]* \
  TestSandbox \
  TestReleasesWithFaultySinks \
  TestEveryAcknowledgedEventSurvivesKill9 \
  TestASinkOfTablesSurvivesKills \
  TestDeployAndLogin \
  TestRandomKeys
space := $(subst ,, )
NORACE := ^($(subst $(space),|,$(strip $(NORACE_TESTS))))$$

# The packages with goroutines or shared memory, a line each. No other one can have a race.
SHARED = $(GO) list -f '{{.ImportPath}} {{.Dir}}' $(PKGS) | while read -r name dir; do \
  ! grep -lE '^[[:space:]]*go |\.Go\(|"sync"|"sync/atomic"| chan ' "$$dir"/*.go | grep -qv '_test\.go$$' || echo "$$name"; done

# The tests that use the sandbox race it. Of the largest packages, make race plays the
# tests of many callers at once, of restarts and of removals; make soak plays all.
LARGE := usher/backend usher/backend/serve usher/backend/audit/sqlite
MANY  := Fleet|Revocation|Removal|ManyConnections|EveryURLIsOnRecord|Killed|Flood|Bounded|LeaveSlots|During|TestSuite$$|Appends|Backup|Checkpoints|UnderLoad|Deadline|Survive|Witness|Health|EachServer|ReadAgain|SeriesNeeds|Sinks

race: export CGO_ENABLED := 1
race: ## The tests of what can have a race, under the race detector (needs a C compiler)
	$(GO) test -p 3 -timeout 20m -race -short -vet=off -skip '$(NORACE)' . $$($(SHARED) | grep -vE '^usher/(tui|backend/sandbox)(/|$$)' | grep -vxF $(LARGE:%=-e %))
	$(GO) test -p 3 -timeout 20m -race -short -vet=off -run '$(MANY)' -skip '$(NORACE)' $(LARGE)
	@# Go 1.26 runs the timers of one synctest bubble on several processors with
	@# one context of the race detector, which crashes it now and then.
	$(GO) test -timeout 20m -race -short -vet=off -skip '$(NORACE)' -cpu 1 ./tui ./tui/transfers/... $$($(SHARED) | grep '^usher/tui/')

test-rig: ## usher and its sandbox with independent servers and clients (needs node, npm, tmux, boto3)
	cd backend/sandbox/rig && ./run

mutants: ## Each named guard switched off, and the test that fails then; MUTANTS="-match fsync" chooses
	cd backend/sandbox/rig && $(NICE) $(GO) run ./mutants -least 40 $(MUTANTS)

adversary: ## The results of attacks, on one page; ADVERSARY="-short" is quicker, "-from FILE" has those of make test
	cd backend/sandbox/rig && $(GO) run ./adversary $(ADVERSARY)

fuzz: ## Each fuzz target for FUZZ (30s)
	@$(GO) list -f '{{.ImportPath}}' $(PKGS) | while read -r p; do \
	  $(GO) test -list '^Fuzz' "$$p" | grep '^Fuzz' | while read -r f; do \
	    echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZ) "$$p" || exit 1; \
	  done || exit 1; done

bench: ## Each cost beside its lower bound
	$(GO) test -run '^$$' -bench . -benchtime 200ms $(PKGS)

bench-download: ## usher beside curl, aria2c, rclone, aws, mc, the SDK (needs versitygw; BENCH="--help")
	client/download/bench/bench.py $(BENCH)

bench-tui: ## The browser beside lf, nnn, ranger and mc (BENCH="-help")
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/usher .
	$(GO) run ./tui/bench -usher bin/usher $(BENCH)

soak: ## The long versions: big objects, many kills (needs what test-rig needs)
	USHER_SOAK=1 $(GO) test -C $(PACKAGE) -timeout 60m -run TestReleaseIsReproducible .
	USHER_SOAK=1 $(GO) test -timeout 60m ./client/cli/ ./client/evidence/ ./session/ ./backend/ ./backend/serve/ ./client/download/ ./backend/audit/...
	USHER_SOAK=1 $(GO) test -timeout 120m -run '^(TestRandomKeys|TestRandomKeysInALogFile|TestSignalsRestoreTheTerminal|TestSignalsDuringTheSignIn|TestMillionRows)$$' . ./tui/...
	@# The scenes in three terminals and in tmux.
	USHER_SCENES=all $(GO) test -count=1 -timeout 10m -parallel 6 -run '^TestScene(FirstMorning|NightlyBuild|Train|Pipeline|QuartersEnd|WhoTouchedThis|SomebodyLeaves|MovedAndBack|WhyCantI|HostileNames)$$' .
	CGO_ENABLED=1 $(GO) test -timeout 60m -race -short -vet=off . ./client/... ./session/... ./backend/...
	CGO_ENABLED=1 $(GO) test -timeout 60m -race -short -vet=off -cpu 1 ./tui/...
	cd backend/sandbox/rig && $(GO) run ./adversary -soak
	cd backend/sandbox/rig && USHER_SOAK=1 ./run -v -timeout 120m -run '^(TestAmazonLambda|TestMoto|TestXterm)'

# These checkers hold all syntax until their end, so that collecting it is in vain.
HOLDS := env GOGC=400 GOMEMLIMIT=3GiB
CROSS ?= windows/amd64 darwin/arm64 linux/arm64
lint: ## Form, vet, staticcheck, dead code, spelling, plain English, a tidy module
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'run gofmt -w on these'; exit 1; }
	$(GO) vet $(PKGS)
	$(GO) build -tags nosandbox -o /dev/null .
	$(GO) vet -tags nosandbox,lambda.norpc .
	$(GO) vet -C client/download/bench .
	$(GO) vet -C $(PACKAGE) .
	$(GO) test ./.ci/results
	@# Compiling for these systems takes minutes; make release does. The files of usher
	@# depend on the system only, so each has one architecture here.
	$(GO) test -C .ci/cross .
	$(GO) build -C .ci/cross -o ../../bin/cross . && $(HOLDS) bin/cross . $(CROSS)
	$(GO) mod tidy -diff
	$(GO) mod tidy -C $(PACKAGE) -diff
	$(GO) mod tidy -C .ci/cross -diff
	$(GO) run $(STATIC) $(PKGS)
	@dead=$$(.ci/dead $(DEAD)) && test -z "$$dead" || { echo "$$dead"; echo 'remove the functions without a caller'; exit 1; }
	@# organisation and cancelled are names in the configuration and in JSON.
	@git ls-files '*.go' '*.md' '*.txtar' | xargs $(GO) run $(SPELL) -locale US -i organisation,cancelled -error
	$(GO) run ./.ci/prose
	cd backend/sandbox/rig && $(GO) run ./mutants -check

# VHS stores true colors. The screens have few, so a palette makes the files small.
pictures: ## The pictures of the README, and bin/auditor.gif, rendered by VHS
	@command -v vhs >/dev/null || { echo 'pictures: vhs is not installed (https://github.com/charmbracelet/vhs); it also needs ttyd and ffmpeg'; exit 1; }
	CGO_ENABLED=0 $(GO) build -o bin/usher .
	PATH="$$PWD/bin:$$PATH" vhs demo.tape
	PATH="$$PWD/bin:$$PATH" vhs docs/auditor.tape
	@# The connection's green has few pixels: a square of it keeps it in each palette.
	@for f in browser:128 reader:48 audit:128 event:128 verify:128; do \
	  ffmpeg -v error -y -i bin/$${f%:*}.png -vf "split[a][b];[a]drawbox=w=60:h=60:color=0x8fce9b:t=fill,palettegen=max_colors=$${f#*:}[p];[b][p]paletteuse=dither=none" docs/$${f%:*}.png || exit 1; \
	done
	@test "$$(wc -c < demo.gif)" -lt 2000000 || { echo 'demo.gif is over 2 MB'; exit 1; }
	@for f in docs/*.png; do test "$$(wc -c < $$f)" -lt 150000 || { echo "$$f is over 150 kB"; exit 1; }; done

.PHONY: pictures help demo build man ldflags lambda release test race test-rig mutants adversary fuzz bench bench-download bench-tui soak lint
