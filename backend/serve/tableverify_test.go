package serve

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"usher/backend/dynamo"
	"usher/backend/dynamo/dynamotest"
	"usher/backend/event"
	"usher/backend/grant"
	grantdynamo "usher/backend/grant/dynamo"
)

// decided is a log in DynamoDB with its grants.
type decided struct {
	*sealedCloud
	client *dynamo.Client
	grants *grantdynamo.Store
}

func newDecided(t *testing.T) *decided {
	t.Helper()
	d := &decided{sealedCloud: newSealedCloud(t)}
	d.grow(t, 1) // the log has its key
	var err error
	if d.client, err = newTables(t.Context(), d.config, d.deps, d.loop); err != nil {
		t.Fatal(err)
	}
	reader, err := dynamo.NewReader(d.client, d.deps.Now)
	if err != nil {
		t.Fatal(err)
	}
	d.grants, err = grantdynamo.New(grantdynamo.Config{Client: d.client, Reader: reader, Table: table(d.config.Grants), Now: d.deps.Now, Log: d.deps.Log, Writes: d.sealed.log.Writes})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// permit puts grants in force.
func (d *decided) permit(t *testing.T, grants ...grant.Grant) *grant.Set {
	t.Helper()
	next, err := grant.NewSet(grants)
	if err != nil {
		t.Fatal(err)
	}
	now, err := d.grants.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := d.grants.Apply(t.Context(), now.Version(), next, d.event(event.Event{Action: event.GrantsChanged, Outcome: event.Allowed})); err != nil {
		t.Fatal(err)
	}
	return next
}

// event completes an event of a person in the group finance.
func (d *decided) event(e event.Event) event.Event {
	e.Time = time.Now()
	e.ID, e.User = d.deps.NewID(e.Time), event.User{Sub: "s-1", Username: "ada"}
	return event.Clean(e)
}

// record records and seals events. The sealing puts them in order.
func (d *decided) record(t *testing.T, events ...event.Event) {
	t.Helper()
	for _, e := range events {
		e.Groups = event.HashGroups([]string{"finance"})
		if err := d.sealed.log.Append(t.Context(), []event.Event{d.event(e)}); err != nil {
			t.Fatal(err)
		}
	}
}

// seal seals all events.
func (d *decided) seal(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		if err := d.sealed.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if v := d.verified(t); v.Unsigned() == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the events are not sealed")
		}
	}
}

func (d *decided) verified(t *testing.T) Verified {
	t.Helper()
	v, err := verifyTable(t.Context(), Verify{}, d.config, d.deps, d.loop)
	if err != nil || v.FaultCount > 0 {
		t.Fatalf("%+v (%v)", v, err)
	}
	return v
}

// The decisions of a log in tables are decided again with the versions of the grants
// in the table: under the version of each event, and before it is sealed too. An answer
// that differs is found, and so are a version that is gone and one with another text.
func TestVerifyDecidesTablesAgain(t *testing.T) {
	d := newDecided(t)
	annual := grant.Grant{Group: "finance", Bucket: "reports", Prefix: "annual/"}
	first := d.permit(t, annual)
	second := d.permit(t, grant.Grant{Group: "finance", Bucket: "reports", Prefix: "q3/"})
	allowed := event.Event{Action: event.Download, Outcome: event.Allowed, Bucket: "reports", Key: "annual/a", Policy: first.Version(), Grant: annual.String()}
	denied := event.Event{Action: event.Download, Outcome: event.Denied, Bucket: "reports", Key: "annual/a", Policy: second.Version()}
	d.record(t, event.Event{Action: event.SessionStart, Outcome: event.Allowed, GroupNames: []string{"finance"}}, allowed, denied,
		event.Event{Action: event.List, Outcome: event.Denied, Bucket: "other", Policy: second.Version()})
	if v := d.verified(t); v.Decisions.Decisions != 3 || v.Decisions.Differ != 0 || v.Unsigned() == 0 {
		t.Errorf("before the sealing: %+v, unsigned %d", v.Decisions, v.Unsigned())
	}
	d.seal(t)
	if v := d.verified(t); v.Decisions.Decisions != 3 || v.Decisions.Differ != 0 || v.Signed != 7 || v.Whole != 7 {
		t.Errorf("%+v, signed %d, whole %d", v.Decisions, v.Signed, v.Whole)
	}
	wrong := allowed
	wrong.Policy = second.Version()
	d.record(t, wrong)
	d.seal(t)
	v := d.verified(t)
	if v.Decisions.Decisions != 4 || v.Decisions.Differ != 1 || v.Decisions.Differences[0].Record != 8 || !strings.Contains(v.Decisions.Differences[0].Detail, "deny it") {
		t.Errorf("%+v", v.Decisions)
	}
	t.Run("an outage is no difference", func(t *testing.T) {
		d.tables.Fault(func(op string, _ int, body []byte) dynamotest.Fault {
			if op == "Query" && strings.Contains(string(body), `"grants"`) {
				return dynamotest.Error500
			}
			return dynamotest.Pass
		})
		defer d.tables.Fault(nil)
		if v, err := verifyTable(t.Context(), Verify{}, d.config, d.deps, d.loop); err == nil || v.Decisions.Differ > 0 {
			t.Errorf("%+v (%v)", v.Decisions, err)
		}
	})
	entry, other := d.history(t, second.Version()), d.history(t, first.Version())
	t.Run("a version with another text", func(t *testing.T) {
		changed := maps.Clone(entry)
		changed["upload"], changed["chunks"] = other["upload"], other["chunks"]
		d.put(t, changed)
		if v := d.verified(t); v.Decisions.Differ != 3 || !strings.Contains(v.Decisions.Differences[0].Detail, "damaged") {
			t.Errorf("%+v", v.Decisions)
		}
	})
	t.Run("a version that is gone", func(t *testing.T) {
		changed := maps.Clone(entry)
		changed["version"] = dynamo.Text("another")
		d.put(t, changed)
		if v := d.verified(t); v.Decisions.Differ != 3 || !strings.Contains(v.Decisions.Differences[0].Detail, grant.ErrUnknown.Error()) {
			t.Errorf("%+v", v.Decisions)
		}
	})
}

// put replaces an item of the grants table.
func (d *decided) put(t *testing.T, item dynamo.Attributes) {
	t.Helper()
	if _, err := d.client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String(table(d.config.Grants)), Item: item}); err != nil {
		t.Fatal(err)
	}
}

// The names of the groups can have expired: then a decision cannot be made again, and
// that is no difference.
func TestExpiredNamesInTables(t *testing.T) {
	d := newDecided(t)
	set := d.permit(t, grant.Grant{Group: "finance", Bucket: "reports"})
	d.record(t, event.Event{Action: event.Download, Outcome: event.Denied, Bucket: "other", Key: "k", Policy: set.Version()})
	if v := d.verified(t); v.Decisions.Differ != 1 || v.Decisions.Undecidable != 0 {
		t.Errorf("in a log that keeps all events: %+v", v.Decisions)
	}
	d.config.AuditDays = 400
	if v := d.verified(t); v.Decisions.Differ != 0 || v.Decisions.Undecidable != 1 {
		t.Errorf("in a log whose events expire: %+v", v.Decisions)
	}
}

// history returns the entry of a version in the history of the grants.
func (d *decided) history(t *testing.T, version string) dynamo.Attributes {
	t.Helper()
	page, err := d.client.Query(t.Context(), &dynamodb.QueryInput{
		TableName: aws.String(table(d.config.Grants)), KeyConditionExpression: aws.String("#pk = :history"),
		ExpressionAttributeNames:  map[string]string{"#pk": dynamo.PK},
		ExpressionAttributeValues: map[string]types.AttributeValue{":history": dynamo.Text("history")},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range page.Items {
		if dynamo.TextOf(item, "version") == version {
			return item
		}
	}
	t.Fatal("there is no such version")
	return nil
}
