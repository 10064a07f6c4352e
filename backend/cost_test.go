package backend_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// Prices of AWS in us-east-1, in dollars for one.
const (
	priceRequest = 1.00 / 1e6                                    // HTTP API, first 300 million
	priceInvoke  = 0.20/1e6 + 0.025*0.5*0.0000133334             // Lambda on arm64: 25 ms of 512 MB
	priceRead    = 0.125 / 1e6                                   // DynamoDB on demand, 4 KB consistent
	priceWrite   = 0.625 / 1e6                                   // DynamoDB on demand, 1 KB
	priceList    = 5.00 / 1e6                                    // S3 LIST
	priceGet     = 0.40 / 1e6                                    // S3 GET
	priceLog     = 0.50 / 1e9 * (450 + 350)                      // CloudWatch: a line of the function and one of the API
	priceArchive = 0.029 / 1e9 * 5120 / 10                       // Firehose in steps of 5 KB, ten events in one record
	priceStream  = 0.20/1e6/100 + 0.030*0.5*0.0000133334/100*100 // the stream function, a batch of 100 items, 30 ms an item
)

// An item of the log has about 15 rows in the index, and one more for each object.
const indexRows = 15

// readUnits are the units of the one BatchGetItem of a request: version of the
// grants, live answer, session and cursor key.
const readUnits = 4

// cost is the price of an action with these calls, and that of the downloads that
// follow it.
func cost(calls map[string]int, lists, objects int) float64 {
	total := priceRequest + priceInvoke + priceLog + float64(calls["BatchGetItem"]*readUnits)*priceRead + float64(lists)*priceList + float64(objects)*priceGet
	if puts := calls["PutItem"]; puts > 0 {
		total += float64(puts)*(priceWrite+priceArchive+priceStream) + float64(indexRows+objects)*priceWrite
	}
	return total
}

// habit is the number of an action in a month of 22 days for 1,000 people with the
// browser open for two hours a day, 40 folders and 20 releases of 5 files a day.
func habits() map[string]float64 {
	const days, people = 22, 1000
	return map[string]float64{
		"whoami": days * people * 2 * 3600 / 25, "a folder": days * people * 40, "a release of 5": days * people * 20,
	}
}

// TestCostOfActions prints the price of each action and of a month, by the calls
// that TestCallsOfActions asserts. docs/cost.md has the same figures.
func TestCostOfActions(t *testing.T) {
	raw, err := os.ReadFile("../docs/cost.md")
	if err != nil {
		t.Fatal(err)
	}
	read, write := map[string]int{"BatchGetItem": 1}, map[string]int{"BatchGetItem": 1, "PutItem": 1}
	month := 0.0
	for _, a := range []struct {
		name           string
		calls          map[string]int
		lists, objects int
	}{
		{"whoami", read, 0, 0}, {"a folder", write, 1, 0}, {"a folder with 20 URLs", write, 1, 20}, {"a release of 1", write, 0, 1}, {"a release of 5", write, 0, 5}, {"a release of 250", write, 0, 250}, {"a refusal", write, 0, 0},
	} {
		price := cost(a.calls, a.lists, a.objects)
		share := price * habits()[a.name]
		month += share
		row := fmt.Sprintf("| %s | %.2f |", a.name, price*1e6)
		t.Log(row)
		if !strings.Contains(string(raw), "\n"+row) {
			t.Errorf("docs/cost.md has not the row %s", row)
		}
		if share > 0 {
			part := fmt.Sprintf("| %s | %.2f million | %.0f |", a.name, habits()[a.name]/1e6, share)
			t.Log(part)
			if !strings.Contains(string(raw), "\n"+part) {
				t.Errorf("docs/cost.md has not the row %s", part)
			}
		}
	}
	total := fmt.Sprintf("| together | | %.0f |", month)
	t.Log(total)
	if !strings.Contains(string(raw), "\n"+total) {
		t.Errorf("docs/cost.md has not the row %s", total)
	}
}
