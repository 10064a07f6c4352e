// Package storetest is the fixture of granttest for grants in a DynamoDB, which a
// test chooses.
package storetest

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	core "usher/backend/dynamo"
	"usher/backend/event"
	"usher/backend/grant"
	"usher/backend/grant/dynamo"
	"usher/backend/grant/granttest"
)

// New returns a function that makes fixtures with tables of their own. client
// returns a client of a further instance.
func New(client func() *core.Client) func() (granttest.Fixture, error) {
	var n atomic.Int64
	return func() (granttest.Fixture, error) {
		f := &fixture{client: client, grants: fmt.Sprintf("grants-%d", n.Add(1))}
		f.log = f.grants + "-log"
		for _, name := range []string{f.grants, f.log} {
			if err := client().CreateTable(context.Background(), name); err != nil {
				return granttest.Fixture{}, err
			}
		}
		return granttest.Fixture{Open: f.open, Put: f.put, Break: f.damage, Vanish: f.vanish, Advance: func(time.Duration) {}}, nil
	}
}

type fixture struct {
	client      func() *core.Client
	grants, log string
}

// config is the configuration of a further instance. Its events are items of a
// plain table.
func (f *fixture) config() (dynamo.Config, error) {
	client := f.client()
	reader, err := core.NewReader(client, time.Now)
	return dynamo.Config{
		Client: client, Reader: reader, Table: f.grants, Now: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Writes: f.writes,
	}, err
}

func (f *fixture) writes(events []event.Event) (all []types.TransactWriteItem, err error) {
	for _, e := range events {
		all = append(all, types.TransactWriteItem{Put: &types.Put{
			TableName: aws.String(f.log), Item: core.Key("event", e.ID), ConditionExpression: aws.String("attribute_not_exists(pk)"),
		}})
	}
	return all, nil
}

func (f *fixture) open() (granttest.Store, error) {
	c, err := f.config()
	if err != nil {
		return nil, err
	}
	s, err := dynamo.New(c)
	if err == nil {
		_, err = s.Current(context.Background())
	}
	return s, err
}

func (f *fixture) put(grants []grant.Grant) error {
	ctx := context.Background()
	next, err := grant.NewSet(grants)
	if err != nil {
		return err
	}
	c, err := f.config()
	if err != nil {
		return err
	}
	ids := event.IDs(rand.Reader)
	if err := dynamo.Init(ctx, c, ids(time.Now())); err != nil {
		return err
	}
	out, err := c.Client.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String(f.grants), Key: core.Key("current", "current"), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return err
	}
	s, err := dynamo.New(c)
	if err != nil {
		return err
	}
	return s.Apply(ctx, core.TextOf(out.Item, "version"), next, event.Event{ID: ids(time.Now())})
}

// damage makes the version in force unreadable.
func (f *fixture) damage() error {
	_, err := f.client().UpdateItem(context.Background(), &dynamodb.UpdateItemInput{
		TableName: aws.String(f.grants), Key: core.Key("current", "current"), UpdateExpression: aws.String("SET #u = :u"),
		ExpressionAttributeNames:  map[string]string{"#u": "upload"},
		ExpressionAttributeValues: map[string]types.AttributeValue{":u": core.Text("version#absent")},
	})
	return err
}

func (f *fixture) vanish() error {
	_, err := f.client().DeleteItem(context.Background(), &dynamodb.DeleteItemInput{TableName: aws.String(f.grants), Key: core.Key("current", "current")})
	return err
}
