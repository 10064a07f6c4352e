package serve

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"usher/backend/dynamo"
	"usher/backend/sink"
)

// place returns the storage of a position in the log: a file beside it, or an item of
// the state table. log is the name of the log; another log begins at 0.
func (p *parts) place(c Config, name, log string) sink.Position {
	if p.shared != nil {
		return tablePlace{p.shared.client, table(c.State), name, log}
	}
	return sink.File{Path: c.Audit + "." + name, Log: log}
}

// tablePlace is a position in the state table. Instances write it under a lease. A
// position that goes back repeats deliveries, and loses none.
type tablePlace struct {
	db               *dynamo.Client
	table, name, log string
}

// The attributes of a position.
const (
	pkPlace   = "place"
	attrPlace = "n"
	attrLog   = "log"
)

// Load implements sink.Position.
func (t tablePlace) Load(ctx context.Context) (int64, error) {
	out, err := t.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String(t.table), Key: dynamo.Key(pkPlace, t.name), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return 0, fmt.Errorf("reading the table %s: %w", t.table, err)
	}
	if len(out.Item) == 0 || dynamo.TextOf(out.Item, attrLog) != t.log {
		return 0, nil
	}
	number, _ := out.Item[attrPlace].(*types.AttributeValueMemberN)
	if number == nil {
		return 0, fmt.Errorf("the item %s of the table %s has no position", t.name, t.table)
	}
	return strconv.ParseInt(number.Value, 10, 64)
}

// Store implements sink.Position.
func (t tablePlace) Store(ctx context.Context, n int64) error {
	item := dynamo.Key(pkPlace, t.name)
	item[attrPlace], item[attrLog] = dynamo.Number(n), dynamo.Text(t.log)
	if _, err := t.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(t.table), Item: item}); err != nil {
		return fmt.Errorf("writing the table %s: %w", t.table, err)
	}
	return nil
}

// Times of the work of one instance.
const (
	workLease = time.Minute
	workRenew = 15 * time.Second
)

// alone runs work until ctx ends: at once for a log of one server, and with a log in
// tables on the instance with the lease.
func (p *parts) alone(ctx context.Context, name string, work func(context.Context)) {
	if p.shared == nil {
		work(ctx)
		return
	}
	lease, err := dynamo.NewLease(dynamo.LeaseConfig{Client: p.shared.client, Table: table(p.shared.c.State), Name: name, Owner: p.shared.id, Life: cmp.Or(p.shared.c.Pace.Lease, workLease)})
	if err != nil {
		p.deps.Log.Error("taking a lease", "error", err.Error())
		return
	}
	w := &worker{work: work}
	defer func() {
		w.halt()
		_ = lease.Release(context.WithoutCancel(ctx))
	}()
	tick := time.NewTicker(cmp.Or(p.shared.c.Pace.Renew, workRenew))
	defer tick.Stop()
	for {
		if held, err := lease.Hold(ctx); held && err == nil {
			w.start(ctx)
		} else { // another instance has it, or may have it soon
			w.halt()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// worker starts and stops work.
type worker struct {
	work    func(context.Context)
	stop    context.CancelFunc // nil: it does not run
	running sync.WaitGroup
}

func (w *worker) start(ctx context.Context) {
	if w.stop == nil {
		mine, stop := context.WithCancel(ctx)
		w.stop = stop
		w.running.Go(func() { w.work(mine) })
	}
}

func (w *worker) halt() {
	if w.stop != nil {
		w.stop()
		w.running.Wait()
		w.stop = nil
	}
}
