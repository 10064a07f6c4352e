package rig

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// The long series: parts of them have tables of their own, because minidyn is slow
// with many items, and numbers of their own, so that one part can be repeated:
// -run '^TestAmazonLambdaSeries$/^kills$/^03$'.
const (
	seriesParts = 10
	partRuns    = 60  // revocations of a part: 600 in all
	partKills   = 100 // 1,000 in all
	serveParts  = 3
)

// TestAmazonLambdaSeries plays the long series of TestAmazonLambda: 600 revocations
// and 1,000 kills of the function, and 300 kills of `usher serve`.
func TestAmazonLambdaSeries(t *testing.T) {
	if os.Getenv("USHER_SOAK") == "" {
		t.Skip("the long series: USHER_SOAK is not set")
	}
	t.Run("revocation", func(t *testing.T) {
		urls, late, worst, runs := 0, 0, time.Duration(0), 0
		for part := range seriesParts {
			t.Run(fmt.Sprintf("%02d", part), func(t *testing.T) {
				u, l, w := startFleet(t, 8, false).revocations(t, part*partRuns, (part+1)*partRuns)
				urls, late, worst, runs = urls+u, late+l, max(worst, w), runs+partRuns
			})
		}
		t.Logf("SERIES revocations=%d urls=%d late=%d last_url=%v", runs, urls, late, worst.Round(time.Millisecond))
	})
	for name, parts := range map[string]int{"kills": seriesParts, "serve": serveParts} {
		t.Run(name, func(t *testing.T) {
			urls, missing, kills := 0, 0, 0
			for part := range parts {
				t.Run(fmt.Sprintf("%02d", part), func(t *testing.T) {
					f := fleetOf(t, fleetOptions{count: 8, serve: name == "serve"})
					u, m := f.kills(t, partKills, uint64(part))
					urls, missing, kills = urls+u, missing+m, kills+partKills
				})
			}
			t.Logf("SERIES %s=%d urls=%d missing=%d", name, kills, urls, missing)
		})
	}
}

// TestAmazonLambdaServe kills `usher serve` on the same tables.
func TestAmazonLambdaServe(t *testing.T) {
	fleetOf(t, fleetOptions{count: 2, serve: true}).kills(t, 6, 1)
}
