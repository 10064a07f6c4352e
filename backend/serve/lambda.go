package serve

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"usher/backend/elapsed"
	"usher/backend/lambda"
	"usher/backend/safetext"
	"usher/backend/state"
)

// runtimeAPI is set in each process that AWS Lambda starts.
// SPEC: AWS Lambda developer guide, "Defined runtime environment variables".
const runtimeAPI = "AWS_LAMBDA_RUNTIME_API"

// flushLimit bounds the record of suppressed refusals when Lambda ends an
// instance. SPEC: the same, "Lambda execution environment lifecycle": 500 ms with
// an internal extension.
const flushLimit = 300 * time.Millisecond

// OnLambda reports whether AWS Lambda started this process.
func OnLambda(getenv func(string) string) bool { return getenv(runtimeAPI) != "" }

// Function is a function on AWS Lambda.
type Function struct {
	// Handler handles the events. The program gives it to the runtime of
	// aws-lambda-go, so that no other build links the runtime.
	Handler any
	// End records pending refusals when Lambda ends the instance; nil if there is
	// nothing to record.
	End func()
}

// NewFunction returns the function that serves the requests of an API Gateway HTTP
// API. The configuration comes from the environment; see FromEnvironment. It makes
// no call of the network before the first request.
//
// With USHER_TASK=stream the function handles the stream of the log (StreamFunction),
// with USHER_TASK=seal it seals the log (SealFunction), and with USHER_TASK=federation
// it is the pool's inbound federation trigger.
func NewFunction(ctx context.Context, environ []string, d Deps) (Function, error) {
	if taskOf(environ) == federationTask {
		h, err := newFederationHandler(environ, d)
		return Function{Handler: h}, err
	}
	if taskOf(environ) != "" {
		h, err := newTask(ctx, environ, d, nil)
		return Function{Handler: h}, err
	}
	c, err := FromEnvironment(environ)
	if err != nil {
		return Function{}, err
	}
	return apiFunction(ctx, c, d, nil, versionOf(d.Version, d.Commit, environ))
}

// apiFunction returns the function of requests.
func apiFunction(ctx context.Context, c Config, d Deps, loop *Loopback, version string) (Function, error) {
	s, err := newServer(ctx, c, d, loop, nil)
	if err != nil {
		return Function{}, err
	}
	f, err := s.function(version)
	if err != nil {
		return Function{}, err
	}
	return Function{Handler: f, End: func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushLimit)
		defer cancel()
		if err := s.live.Load().Drain(ctx); err != nil {
			s.log.Error("at the end of the instance", "error", safetext.New(err.Error()))
		}
	}}, nil
}

// function is the handler of events.
type function struct {
	*lambda.Adapter
	server *Server
	start  *deployed
	adopt  *adoption
	key    *learning
}

// Invoke serves the request of one event. Beside the first one it records the
// start of the deployed version, and beside one request a minute the refusals that
// ended instances have counted. It answers after all: Lambda freezes the instance
// then. A failed record is repeated beside a later request.
func (f *function) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	if f.key.wants(payload) {
		if err := f.key.learn(ctx); err != nil {
			f.server.log.Error("clients cannot check the log yet", "error", safetext.New(err.Error()))
		}
	}
	recorded := make(chan error, 1)
	go func() { recorded <- f.start.record(ctx) }()
	adopted := make(chan error, 1)
	go func() { adopted <- f.adopt.some(ctx) }()
	answer, err := f.Adapter.Invoke(ctx, payload)
	if aerr := <-adopted; aerr != nil {
		f.server.log.Error("refusals counted by ended instances are not recorded yet", "error", safetext.New(aerr.Error()))
	}
	if rerr := <-recorded; rerr != nil {
		f.server.log.Error("the start of this version is not recorded yet", "error", safetext.New(rerr.Error()))
	}
	return answer, err
}

// adoptEvery is the time between two looks for the counts of ended instances.
const adoptEvery = time.Minute

// adoption records the refusals that ended instances have counted.
type adoption struct {
	denials *state.Denials
	now     func() time.Time

	mu   sync.Mutex
	last time.Time
}

// some looks for counts, at most once in adoptEvery.
func (a *adoption) some(ctx context.Context) error {
	now := a.now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if elapsed.Since(now, a.last) < adoptEvery {
		return nil
	}
	a.last = now
	return a.denials.Adopt(ctx)
}

// function returns the handler of events for a version.
func (s *Server) function(version string) (*function, error) {
	if s.parts.shared == nil {
		return nil, errors.New("serve: a function needs its log, grants and state in DynamoDB")
	}
	adapter, err := s.adapter()
	if err != nil {
		return nil, err
	}
	return &function{adapter, s, &deployed{
		client: s.parts.shared.client, table: table(s.config.State), version: version, backend: s.live.Load,
	}, &adoption{denials: s.parts.shared.denials, now: s.parts.deps.Now}, &learning{server: s, known: s.config.Seal.PublicKey != ""}}, nil
}

// adapter returns the handler of events.
func (s *Server) adapter() (*lambda.Adapter, error) {
	handler := s.withDevices(s.withSignedOut(http.HandlerFunc(s.serve)))
	return lambda.New(lambda.Config{Handler: handler, Log: s.log})
}
