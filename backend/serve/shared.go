package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"usher/backend/api"
	"usher/backend/api/shape"
	auditdynamo "usher/backend/audit/dynamo"
	"usher/backend/audit/sealer"
	"usher/backend/dynamo"
	"usher/backend/elapsed"
	"usher/backend/event"
	"usher/backend/grant"
	grantdynamo "usher/backend/grant/dynamo"
	"usher/backend/identity"
	"usher/backend/safetext"
	"usher/backend/state"
)

// SPEC: DynamoDB developer guide, "Naming rules": 3 to 255 of these characters.
// The index of the log has six more.
var tableShape = shape.NewForm(`^[a-zA-Z0-9_.-]{3,249}$`)

// table returns the table that a value names, or "" for a file.
func table(value string) string {
	name, ok := strings.CutPrefix(value, tablePrefix)
	if !ok {
		return ""
	}
	return name
}

// shared reports whether the server keeps everything in DynamoDB.
func (c Config) shared() bool { return strings.HasPrefix(c.Audit, tablePrefix) }

// tables checks the values that name a table. All three are tables or none: a
// change of the grants and its event are one transaction, and several instances
// need all of them.
func (c Config) tables() error {
	count := 0
	for _, value := range []string{c.Audit, c.Grants, c.State} {
		if strings.HasPrefix(value, tablePrefix) {
			count++
			if !tableShape.Matches(table(value)) {
				return fmt.Errorf("%q is not the name of a table: dynamodb: and 3 to 249 letters, digits, dots, dashes and underscores", safetext.Line(value))
			}
		}
	}
	switch {
	case c.AuditDays < 0 || c.AuditDays > 36_500:
		return errors.New("audit_days must be 0 to 36500")
	case count == 0 && c.AuditDays > 0:
		return errors.New("audit_days needs audit: dynamodb:TABLE; for a file write retention_days")
	case count == 0 && c.State != "":
		return errors.New("state must be dynamodb:TABLE; a server with files has no shared state")
	case count != 0 && count != 3:
		return errors.New("audit, grants and state must all be dynamodb:TABLE, or audit and grants files without state")
	case count == 3 && (table(c.Grants) == table(c.State) || table(c.Audit) == table(c.State) || table(c.Audit) == table(c.Grants)):
		return errors.New("audit, grants and state need a table each")
	case count == 0 && c.Instances > 1:
		return errors.New("several instances need shared stores: audit, grants and state must be dynamodb:TABLE")
	}
	return nil
}

// shared are the parts of a server whose instances share nothing but DynamoDB.
type shared struct {
	c         Config
	client    *dynamo.Client
	reader    *dynamo.Reader
	log       *auditdynamo.Store
	sealing   *sealing // nil: the log is not sealed
	grants    *grantdynamo.Store
	state     state.Config
	directory *state.Directory
	sessions  *state.Sessions
	denials   *state.Denials
	cursors   *state.Cursors
	requests  *state.Requests
	id        string // of this instance
	first     sync.Once
}

const aheadTime = 10 * time.Second

// ahead makes the first calls of the first request while the server fetches the
// keys of the user pool. The token is not verified yet: it causes one read, and
// one count of a question to the pool, once in the life of the server.
func (s *shared) ahead(ctx context.Context, token string, releasing bool) {
	s.first.Do(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), aheadTime)
		session := identity.Unverified(token)
		var work sync.WaitGroup
		work.Go(func() { s.readAhead(ctx, session) })
		if session != "" {
			work.Go(func() { s.directory.Early(ctx, session, releasing) })
		}
		go func() {
			defer cancel()
			work.Wait()
		}()
	})
}

// readAhead reads all that a first request needs, in one call. A failure occurs
// again in the request.
func (s *shared) readAhead(ctx context.Context, session string) {
	key := s.cursors.Item()
	items := append(s.grants.Items(), key)
	if session != "" {
		items = append(items, s.directory.Items(session)...)
	}
	found, err := s.reader.Read(ctx, items...)
	if err != nil {
		return
	}
	var work sync.WaitGroup
	work.Go(func() { s.cursors.Learn(key, found[key]) })
	_, _ = s.grants.Current(ctx)
	work.Wait()
}

// newTables returns the client of the tables and a reader of them. It makes no
// call.
func newTables(ctx context.Context, c Config, d Deps, loop *Loopback) (*dynamo.Client, error) {
	sdk, err := awsConfig(ctx, c, loop)
	if err != nil {
		return nil, err
	}
	sdk.Region = c.Region
	endpoint := ""
	if loop != nil {
		endpoint = loop.DynamoDB
	}
	return dynamo.New(dynamo.Config{AWS: sdk, Endpoint: endpoint, Now: d.Now})
}

// newShared makes the parts. It makes no call.
func newShared(ctx context.Context, c Config, d Deps, loop *Loopback, source identity.Source) (*shared, error) {
	client, err := newTables(ctx, c, d, loop)
	if err != nil {
		return nil, err
	}
	reader, err := dynamo.NewReader(client, d.Now)
	if err != nil {
		return nil, err
	}
	s := &shared{c: c, client: client, reader: reader, id: d.NewID(d.Now()), state: state.Config{
		Client: client, Reader: reader, Table: table(c.State), Source: source, Now: d.Now,
		AliveRate: c.aliveRate(), GroupsRate: c.groupsRate(),
	}}
	if s.sessions, err = state.NewSessions(s.state); err != nil {
		return nil, err
	}
	if s.log, err = openTable(c, client, d, s.sessions.Confirmation); err != nil {
		return nil, err
	}
	if c.Seal.Bucket != "" {
		if s.sealing, err = newSealing(ctx, c, d, loop, client, s.log); err != nil {
			return nil, err
		}
	}
	s.grants, err = grantdynamo.New(grantdynamo.Config{
		Client: client, Reader: reader, Table: table(c.Grants), Now: d.Now, Log: d.Log, Writes: s.log.Writes,
	})
	if err != nil {
		return nil, err
	}
	s.denials, err = state.NewDenials(state.DenialsConfig{Config: s.state, Writes: s.log.Writes, NewID: d.NewID})
	if err != nil {
		return nil, err
	}
	if s.directory, err = state.NewDirectory(s.state); err != nil {
		return nil, err
	}
	if s.requests, err = state.NewRequests(s.state); err != nil {
		return nil, err
	}
	s.cursors, err = state.NewCursors(s.state, d.Rand)
	return s, err
}

// openTable opens the log in its table. It makes no call. confirm is nil for a
// reader of the log.
func openTable(c Config, client *dynamo.Client, d Deps, confirm func(event.Event) (types.TransactWriteItem, bool)) (*auditdynamo.Store, error) {
	return auditdynamo.New(auditdynamo.Config{
		DB: client, Log: table(c.Audit), Now: d.Now, Rand: d.Rand, Keep: time.Duration(c.AuditDays) * 24 * time.Hour, Confirm: confirm,
	})
}

// Reindex rebuilds the index of the audit log. It calls progress before each hour
// of the log. Servers may run meanwhile.
func Reindex(ctx context.Context, c Config, d Deps, loop *Loopback, progress func(hour time.Time)) error {
	if err := c.complete(); err != nil {
		return err
	}
	if !c.shared() {
		return fmt.Errorf("the audit log %s is a file, and its index is part of it; reindex is for a log in DynamoDB", safetext.Line(c.Audit))
	}
	client, err := newTables(ctx, c, d, loop)
	if err != nil {
		return err
	}
	log, err := openTable(c, client, d, nil)
	if err != nil {
		return err
	}
	return auditdynamo.NewIndexer(log).Rebuild(ctx, progress)
}

// names are the tables of a configuration.
func (c Config) names() []string {
	return []string{table(c.Audit), dynamo.IndexTable(table(c.Audit)), table(c.Grants), table(c.State)}
}

// check reads and writes the shared state.
func (s *shared) check(ctx context.Context) error { return s.state.Check(ctx) }

// ready checks that the tables exist and that the grants are readable, before
// the server listens.
func (s *shared) ready(ctx context.Context) error {
	if err := s.client.Check(ctx, s.c.names()...); err != nil {
		return fmt.Errorf("%w; create the tables with usher serve --config FILE --create-tables", err)
	}
	if err := s.grants.Check(ctx); err != nil {
		return fmt.Errorf("reading the grants: %w; usher serve --config FILE --create-tables puts an empty version in force", err)
	}
	return nil
}

// Times of the work beside requests.
const (
	indexEvery = time.Second
	renewEvery = 10 * time.Second
	indexLease = 30 * time.Second
)

// index extends the index of the log each second, on the instance with the lease.
func (s *shared) index(ctx context.Context, problem func(error)) {
	lease, err := dynamo.NewLease(dynamo.LeaseConfig{Client: s.client, Table: table(s.c.State), Name: "index", Owner: s.id, Life: indexLease})
	if err != nil {
		problem(err)
		return
	}
	indexer := auditdynamo.NewIndexer(s.log)
	tick := time.NewTicker(indexEvery)
	defer tick.Stop()
	var tried time.Time // last attempt to hold the lease
	held := false
	for {
		err = nil
		select {
		case <-tick.C:
		case <-ctx.Done():
			_ = lease.Release(context.WithoutCancel(ctx))
			return
		}
		if now := s.state.Now(); elapsed.Since(now, tried) >= renewEvery {
			tried = now
			if held, err = lease.Hold(ctx); err != nil {
				held = false
			} else if held {
				err = s.denials.Adopt(ctx)
			}
		}
		if held {
			_, stopped := indexer.Step(ctx)
			err = errors.Join(err, stopped)
		}
		if ctx.Err() == nil {
			problem(err)
		}
	}
}

// CreateTables creates the tables of a configuration, and puts grants in force
// that allow nothing. Existing tables and grants stay. It returns the names.
func CreateTables(ctx context.Context, c Config, d Deps, loop *Loopback) ([]string, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	if !c.shared() {
		return nil, errors.New("the configuration names no tables: audit, grants and state must be dynamodb:TABLE")
	}
	client, err := newTables(ctx, c, d, loop)
	if err != nil {
		return nil, err
	}
	for _, name := range c.names() {
		if err := client.CreateTable(ctx, name); err != nil {
			return nil, err
		}
	}
	err = grantdynamo.Init(ctx, grantdynamo.Config{Client: client, Table: table(c.Grants), Now: d.Now}, d.NewID(d.Now()))
	return c.names(), err
}

// checkTables is Check for a server whose stores are in DynamoDB.
func checkTables(ctx context.Context, c Config, d Deps, loop *Loopback) ([]Finding, error) {
	r, err := newChecker(ctx, c, d, loop)
	if err != nil {
		return nil, err
	}
	source, err := identity.NewCognito(r.pool, c.UserPoolID, c.HostedUI, http.DefaultClient)
	if err != nil {
		return nil, err
	}
	s, err := newShared(ctx, c, d, loop, source)
	if err != nil {
		return nil, err
	}
	const create = "create it with usher serve --config FILE --create-tables, and check the server's rights to it"
	var out []Finding
	for i, part := range []string{partLog, partLog, partGrants, partState} {
		name := c.names()[i]
		out = append(out, finding(part, tablePrefix+name, api.ExitUnavailable, s.client.Check(ctx, name), create))
	}
	if s.sealing != nil {
		_, err := s.sealing.step(ctx)
		if errors.Is(err, sealer.ErrLost) {
			err = nil
		}
		out = append(out, finding("seal", c.Seal.Bucket, api.ExitUnavailable, err, sealFix))
	}
	set, err := s.grants.Current(ctx)
	if err != nil {
		out = append(out, finding(partGrants, c.Grants, api.ExitUnavailable, err, create))
		if set, err = grant.NewSet(nil); err != nil {
			return nil, err
		}
	}
	out = append(out, r.all(ctx, set)...)
	return append(out, checkReceivers(ctx, c.Sinks)...), nil
}
