package enginetest

import (
	"fmt"

	"usher/client/download"
)

// three adds three big objects and waits until all run or wait.
func (b bed) three() ([]download.ID, error) {
	var reqs []download.Request
	for i := range 3 {
		r, err := b.Put(fmt.Sprintf("big-%d", i), b.Big)
		if err != nil {
			return nil, err
		}
		reqs = append(reqs, r)
	}
	ids := b.Engine.Add(reqs...)
	_, err := b.until("three running files", func(s download.Snapshot) bool { return s.Running == 3 })
	return ids, err
}

func adjusted(b bed) error {
	if _, err := b.three(); err != nil {
		return err
	}
	for _, n := range []int{1, 2} {
		b.Engine.SetParallel(n)
		if _, err := b.until(fmt.Sprintf("%d files at a time", n), func(s download.Snapshot) bool { return s.Running == n && s.AtOnce == n }); err != nil {
			return err
		}
	}
	b.Engine.SetLimit(100_000)
	s, err := b.until("the lower rate", func(s download.Snapshot) bool { return s.Limit == 100_000 && s.Running > 0 && s.Rate < 300_000 })
	if err != nil {
		return err
	}
	b.Engine.SetLimit(2_000_000)
	b.Engine.SetParallel(0)
	_, err = b.until("the higher rate", func(now download.Snapshot) bool {
		return now.Limit == 2_000_000 && now.AtOnce == 0 && now.Rate > 2*s.Rate && now.Rate > 300_000
	})
	return err
}

func preceded(b bed) error {
	ids, err := b.three()
	if err != nil {
		return err
	}
	before, _ := find(b.Engine.Snapshot(), ids[0])
	b.Engine.First(ids[2])
	s, err := b.until("one file alone", func(s download.Snapshot) bool {
		t, _ := find(s, ids[2])
		return s.Running == 1 && t.State == download.Running && s.First == ids[2] && s.Transfers[0].ID == ids[2]
	})
	if err != nil {
		return err
	}
	after, _ := find(s, ids[0])
	if err := wrong(expect(after.State == download.Waiting && after.Done >= before.Done, "the other is %s with %d of %d bytes", after.State, after.Done, before.Done)); err != nil {
		return err
	}
	b.Engine.Pause(ids[2])
	_, err = b.until("the others", func(s download.Snapshot) bool { return s.Running == 2 && s.First == 0 })
	return err
}

func addedAgain(b bed) error {
	r, _, err := b.fetch("one")
	if err != nil {
		return err
	}
	b.Engine.Add(r)
	s, err := b.until("the end", func(s download.Snapshot) bool { return s.FilesDone == 1 })
	if err != nil {
		return err
	}
	return wrong(expect(len(s.Transfers) == 1 && s.Files == 1, "the queue is %s", words(s)))
}
