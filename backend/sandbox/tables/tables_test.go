package tables_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"usher/backend/sandbox/tables"
)

// open serves tables with a stream of one of them.
func open(t *testing.T, key string) (*dynamodb.Client, *tables.Server, *[]tables.Record) {
	t.Helper()
	var records []tables.Record
	server, err := tables.New(tables.Config{
		Now: time.Now, Region: "us-east-1", Streams: []string{"log"}, Streamed: func(r []tables.Record) { records = append(records, r...) },
		Secret: func(id string) (string, bool) { return "secret", id == "AKIAUSHERTABLES00001" },
	})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	client := dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(web.URL), RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider(key, "secret", ""),
	})
	return client, server, &records
}

func item(pk, sk, value string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: pk}, "sk": &types.AttributeValueMemberS{Value: sk}, "v": &types.AttributeValueMemberB{Value: []byte(value)},
	}
}

func create(t *testing.T, c *dynamodb.Client, name string) {
	t.Helper()
	_, err := c.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: aws.String(name), BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: "S"}, {AttributeName: aws.String("sk"), AttributeType: "S"}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: "HASH"}, {AttributeName: aws.String("sk"), KeyType: "RANGE"}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The stream has each change of a table with it, in order, and none of a call that
// changes nothing or of another table.
func TestTheStream(t *testing.T) {
	c, server, records := open(t, "AKIAUSHERTABLES00001")
	create(t, c, "log")
	create(t, c, "other")
	ctx := context.Background()
	put := func(table, sk, value string) {
		t.Helper()
		if _, err := c.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(table), Item: item("a", sk, value)}); err != nil {
			t.Fatal(err)
		}
	}
	put("log", "1", "x")
	put("log", "1", "x")
	put("other", "1", "x")
	put("log", "1", "y")
	_, err := c.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Put: &types.Put{TableName: aws.String("log"), Item: item("a", "2", "x")}},
		{Put: &types.Put{TableName: aws.String("log"), Item: item("a", "1", "z"), ConditionExpression: aws.String("attribute_not_exists(pk)")}},
	}})
	if err == nil {
		t.Error("a transaction with a false condition was applied")
	}
	if _, err := c.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: aws.String("log"), Key: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: "a"}, "sk": &types.AttributeValueMemberS{Value: "1"},
	}}); err != nil {
		t.Fatal(err)
	}
	expires := item("a", "3", "x")
	expires["ttl"] = &types.AttributeValueMemberN{Value: "1"}
	if _, err := c.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("log"), Item: expires}); err != nil {
		t.Fatal(err)
	}
	if n, err := server.Expire("log"); n != 1 || err != nil {
		t.Errorf("%d items expired, %v", n, err)
	}
	var names []string
	for _, r := range *records {
		names = append(names, r.EventName)
	}
	if got := strings.Join(names, " "); got != "INSERT MODIFY REMOVE INSERT REMOVE" {
		t.Errorf("the stream has %s", got)
	}
	last := (*records)[len(*records)-1]
	if last.UserIdentity == nil || last.UserIdentity.Type != "Service" || (*records)[2].UserIdentity != nil {
		t.Error("the mark of an expiry is wrong")
	}
	payload, err := tables.Event(*records)
	if err != nil || !strings.Contains(string(payload), `"OldImage"`) {
		t.Errorf("%s, %v", payload, err)
	}
	for answer, want := range map[string]int{
		`{"batchItemFailures":[]}`: 5, `{}`: 5, `null`: 5,
		`{"batchItemFailures":[{"itemIdentifier":"` + (*records)[2].DynamoDB.Sequence + `"}]}`: 2,
		`{"batchItemFailures":[{"itemIdentifier":"other"}]}`:                                   0,
	} {
		if n, err := tables.Confirmed(*records, []byte(answer)); n != want || err != nil {
			t.Errorf("%s confirms %d, %v", answer, n, err)
		}
	}
}

// Calls without a valid signature are refused.
func TestSignatures(t *testing.T) {
	c, _, _ := open(t, "AKIAUSHEROTHER000001")
	if _, err := c.ListTables(t.Context(), &dynamodb.ListTablesInput{}); err == nil {
		t.Error("an unknown key was accepted")
	}
}
