package rig

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"usher/backend/audit"
	"usher/backend/audit/audittest"
	auditdynamo "usher/backend/audit/dynamo"
	"usher/backend/dynamo"
	"usher/backend/event"
)

// dynalite starts a DynamoDB by others and returns its endpoint.
func dynalite(t *testing.T) string {
	t.Helper()
	port := freePort(t)
	cmd := exec.CommandContext(t.Context(), "node", "node_modules/dynalite/cli.js", "--host", "127.0.0.1", "--port", strconv.Itoa(port),
		"--createTableMs", "0", "--deleteTableMs", "0", "--updateTableMs", "0")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.Contains(line, "listening") {
		t.Fatalf("dynalite: %q: %v", line, err)
	}
	return fmt.Sprintf("http://127.0.0.1:%d", port)
}

// untransacted replaces the transactions that dynalite lacks: it checks all
// conditions, then writes. One test uses it at a time.
type untransacted struct{ *dynamo.Client }

func (u untransacted) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput) (*dynamodb.TransactWriteItemsOutput, error) {
	for _, w := range in.TransactItems {
		there, err := u.GetItem(ctx, &dynamodb.GetItemInput{
			TableName: w.Put.TableName, ConsistentRead: aws.Bool(true),
			Key: dynamo.Key(dynamo.TextOf(w.Put.Item, dynamo.PK), dynamo.TextOf(w.Put.Item, dynamo.SK)),
		})
		if err != nil {
			return nil, err
		}
		if len(there.Item) > 0 {
			return nil, dynamo.ErrCondition
		}
	}
	for _, w := range in.TransactItems { // not canceled halfway
		if _, err := u.PutItem(context.WithoutCancel(ctx), &dynamodb.PutItemInput{TableName: w.Put.TableName, Item: w.Put.Item}); err != nil {
			return nil, err
		}
	}
	return &dynamodb.TransactWriteItemsOutput{}, nil
}

// The audit log passes its suite on dynalite, over HTTP.
func TestDynalite(t *testing.T) {
	client, err := dynamo.New(dynamo.Config{
		AWS:      aws.Config{Region: "eu-central-1", Credentials: credentials.NewStaticCredentialsProvider("AKIATEST", "secret", "")},
		Endpoint: dynalite(t), Now: time.Now, Attempt: 10 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	var n atomic.Int64
	open := func(t *testing.T, now func() time.Time) *auditdynamo.Store {
		t.Helper()
		table := fmt.Sprintf("log-%d", n.Add(1))
		for _, name := range []string{table, dynamo.IndexTable(table)} {
			if err := client.CreateTable(context.Background(), name); err != nil {
				t.Fatal(err)
			}
		}
		s, err := auditdynamo.New(auditdynamo.Config{DB: untransacted{client}, Log: table, Now: now, Rand: rand.Reader})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	t.Run("suite", func(t *testing.T) {
		audittest.RunSlow(t, func() audit.Store { return open(t, audittest.Now) })
	})
	t.Run("index", func(t *testing.T) {
		s := open(t, audittest.Now)
		events := audittest.Events(150)
		for _, e := range events {
			if err := s.Append(t.Context(), []event.Event{e}); err != nil {
				t.Fatal(err)
			}
		}
		for x := auditdynamo.NewIndexer(s); ; {
			more, err := x.Step(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !more {
				break
			}
		}
		if err := audittest.Agree(t.Context(), 3, 60, events, map[string]audit.Store{"dynalite": s}); err != nil {
			t.Error(err)
		}
	})
	t.Run("conflict", func(t *testing.T) {
		s := open(t, time.Now)
		now := time.Now().UTC().Truncate(time.Millisecond)
		e := event.Clean(event.Event{ID: event.IDs(rand.Reader)(now), Time: now, Action: event.List, Outcome: event.Allowed})
		other := e
		other.Key = "other"
		var wg sync.WaitGroup
		var conflicts atomic.Int64
		for i := range 64 {
			mine := e
			if i%2 == 1 {
				mine = other
			}
			wg.Go(func() {
				if err := s.Append(t.Context(), []event.Event{mine}); errors.Is(err, audit.ErrConflict) {
					conflicts.Add(1)
				} else if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := conflicts.Load(); n != 32 {
			t.Errorf("%d conflicts, want 32", n)
		}
		if found, err := s.Get(t.Context(), []string{e.ID}); err != nil || len(found) != 1 {
			t.Errorf("%d events: %v", len(found), err)
		}
	})
}
