package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"usher/backend/dynamo"
	"usher/backend/event"
	"usher/backend/grant"
	grantdynamo "usher/backend/grant/dynamo"
)

// Stack has the functions of a deployed stack, which take and return the payloads
// of AWS Lambda.
type Stack struct {
	API, Stream, Seal func(ctx context.Context, payload []byte) ([]byte, error)
	// Config is that of the API function, with the public key of the log.
	Config Config
	Pin    string // hash of the pinned configuration
	// End records pending refusals of the API function.
	End func()
}

// Rehearse returns the functions of a stack whose services are on this machine. It
// creates the tables and puts the grants in force. archive is the name of the
// delivery stream.
func Rehearse(ctx context.Context, c Config, grants *grant.Set, archive string, d Deps, loop *Loopback) (*Stack, error) {
	if loop == nil || grants == nil {
		return nil, errors.New("serve: a rehearsal needs local services and grants")
	}
	c.Unattended, c.rehearsal = true, true
	if _, err := CreateTables(ctx, c, d, loop); err != nil {
		return nil, err
	}
	if err := c.complete(); err != nil {
		return nil, err
	}
	signer, err := openSealKey(ctx, c, d, loop)
	if err != nil {
		return nil, err
	}
	if err := grantAtStart(ctx, c, grants, d, loop); err != nil {
		return nil, err
	}
	api, err := apiFunction(ctx, c, d, loop, "usher demo --stack")
	if err != nil {
		return nil, err
	}
	handler, ok := api.Handler.(*function)
	if !ok {
		return nil, errors.New("serve: the API function takes no payload")
	}
	stream, err := StreamFunction(ctx, c, archive, d, loop)
	if err != nil {
		return nil, err
	}
	seal, err := SealFunction(ctx, c, d, loop)
	if err != nil {
		return nil, err
	}
	// The first step of the sealer stores the public key, which is a part of the pin.
	if err := seal(ctx, nil); err != nil {
		return nil, err
	}
	if err := handler.key.learn(ctx); err != nil {
		return nil, err
	}
	_, pin, _ := strings.Cut(handler.server.Pinned(ctx), "#")
	c.Seal.PublicKey = signer.Key()
	return &Stack{
		API: handler.Invoke, Config: c, Pin: pin, End: api.End,
		Stream: func(ctx context.Context, payload []byte) ([]byte, error) {
			ctx, cancel := context.WithTimeout(ctx, taskTime)
			defer cancel()
			var in events.DynamoDBEvent
			if err := json.Unmarshal(payload, &in); err != nil {
				return nil, fmt.Errorf("the event of a stream: %w", err)
			}
			out, err := stream(ctx, in)
			if err != nil {
				return nil, err
			}
			return json.Marshal(out)
		},
		Seal: func(ctx context.Context, payload []byte) ([]byte, error) {
			ctx, cancel := context.WithTimeout(ctx, taskTime)
			defer cancel()
			return []byte("null"), seal(ctx, payload)
		},
	}, nil
}

// taskTime is the time limit of the functions without requests.
const taskTime = time.Minute

// grantAtStart puts grants in force, with their event.
func grantAtStart(ctx context.Context, c Config, set *grant.Set, d Deps, loop *Loopback) error {
	client, err := newTables(ctx, c, d, loop)
	if err != nil {
		return err
	}
	log, err := openTable(c, client, d, nil)
	if err != nil {
		return err
	}
	reader, err := dynamo.NewReader(client, d.Now)
	if err != nil {
		return err
	}
	store, err := grantdynamo.New(grantdynamo.Config{Client: client, Reader: reader, Table: table(c.Grants), Now: d.Now, Log: d.Log, Writes: log.Writes})
	if err != nil {
		return err
	}
	before, err := store.Current(ctx)
	if err != nil {
		return err
	}
	now := d.Now().UTC().Truncate(time.Millisecond)
	return store.Apply(ctx, before.Version(), set, event.Event{
		ID: d.NewID(now), Time: now, Action: event.GrantsChanged, Outcome: event.Allowed, Reason: "the first grants of the rehearsal",
		GrantsVersion: set.Version(), GrantsBefore: before.Version(), GrantsAdded: set.Len(),
	})
}
