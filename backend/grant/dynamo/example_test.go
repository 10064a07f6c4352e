package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	core "usher/backend/dynamo"
	"usher/backend/dynamo/dynamotest"
	"usher/backend/event"
	"usher/backend/grant"
	"usher/backend/grant/dynamo"
)

// A change names the version that the admin compared with.
func Example() {
	ctx := context.Background()
	server := dynamotest.New(&testing.T{})
	client := server.Client(&testing.T{})
	reader, err := core.NewReader(client, time.Now)
	if err != nil {
		fmt.Println(err)
		return
	}
	c := dynamo.Config{
		Client: client, Reader: reader, Table: server.Table(&testing.T{}, "usher-grants"), Now: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Writes: func([]event.Event) ([]types.TransactWriteItem, error) { return nil, nil }, // of the audit log
	}
	if err := dynamo.Init(ctx, c, "first"); err != nil {
		fmt.Println(err)
		return
	}
	store, err := dynamo.New(c)
	if err != nil {
		fmt.Println(err)
		return
	}
	before, err := store.Current(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	next, err := grant.NewSet([]grant.Grant{{Group: "finance-team", Bucket: "company-reports", Prefix: "annual/", Effect: grant.Allow}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(store.Apply(ctx, before.Version(), next, event.Event{ID: "second"}))
	err = store.Apply(ctx, before.Version(), next, event.Event{ID: "third"})
	fmt.Println(errors.Is(err, grant.ErrChanged))
	now, err := store.Current(ctx)
	fmt.Println(now.Len(), err)
	// Output:
	// <nil>
	// true
	// 1 <nil>
}
