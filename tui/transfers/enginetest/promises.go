package enginetest

import (
	"fmt"
	"strings"

	"usher/client/download"
)

func added(b bed) error {
	reqs, err := b.put("one", "two", "three")
	if err != nil {
		return err
	}
	ids := b.Engine.Add(reqs...)
	s := b.Engine.Snapshot()
	if len(ids) != 3 || len(s.Transfers) != 3 {
		return fmt.Errorf("%d numbers and %d transfers for 3 requests", len(ids), len(s.Transfers))
	}
	for i, t := range s.Transfers {
		err := wrong(
			expect(t.ID == ids[i] && t.ID != 0, "place %d holds transfer %d, want %d", i, t.ID, ids[i]),
			expect(t.Bucket == reqs[i].Bucket && t.Key == reqs[i].Key, "place %d holds %s/%s", i, t.Bucket, t.Key),
			expect(t.Size == reqs[i].Size, "%s has %d bytes, want %d", t.Key, t.Size, reqs[i].Size),
			expect(t.Parent == 0 && !t.Folder, "%s is not a file of its own", t.Key),
		)
		if err != nil {
			return err
		}
	}
	return wrong(expect(s.Files == 3 && s.Bytes == 3003, "the sums are %s", words(s)))
}

func arrived(b bed) error {
	reqs, err := b.put("one", "two", "three")
	if err != nil {
		return err
	}
	b.Engine.Add(reqs...)
	s, err := b.until("three files done", func(s download.Snapshot) bool { return s.FilesDone == 3 })
	if err != nil {
		return err
	}
	for _, t := range s.Transfers {
		err := wrong(
			expect(t.State == download.Done && t.State.Finished(), "%s is %s", t.Key, t.State),
			expect(t.Done == t.Size, "%s has %d of %d bytes", t.Key, t.Done, t.Size),
			expect(t.Verified != "" && t.Err == nil, "%s is verified by %q, error %v", t.Key, t.Verified, t.Err),
			expect(t.Rate == 0 && t.Left == 0, "%s still moves at %v", t.Key, t.Rate),
			expect(strings.HasPrefix(t.Dest, t.Request.Dir), "%s is at %s", t.Key, t.Dest),
		)
		if err != nil {
			return err
		}
	}
	return wrong(
		expect(s.Files == 3 && s.FilesFailed == 0 && s.FilesSame == 0 && s.FilesDiffer == 0, "the counts are %s", words(s)),
		expect(s.Bytes == 3003 && s.BytesDone == 3003 && s.BytesNew == 3003, "the bytes are %d, %d, %d", s.Bytes, s.BytesDone, s.BytesNew),
		expect(s.Running == 0 && s.Counting == 0, "something still moves: %s", words(s)),
	)
}

// running adds a big object and waits for its first bytes.
func (b bed) running() (download.ID, error) {
	r, err := b.Put("big", b.Big)
	if err != nil {
		return 0, err
	}
	id := b.Engine.Add(r)[0]
	_, err = b.until("bytes of the big file", func(s download.Snapshot) bool {
		t, ok := find(s, id)
		return ok && t.State == download.Running && t.Done > 0 && s.Running == 1
	})
	return id, err
}

func pausedAndResumed(b bed) error {
	id, err := b.running()
	if err != nil {
		return err
	}
	b.Engine.Pause(id)
	if _, err := b.until("a queue at rest", func(s download.Snapshot) bool {
		t, _ := find(s, id)
		return t.State == download.Paused && s.Running == 0 && t.Rate == 0
	}); err != nil {
		return err
	}
	// Other downloads take some time. Bytes in flight at the pause may still count.
	if _, _, err := b.fetch("first"); err != nil {
		return err
	}
	before, _ := find(b.Engine.Snapshot(), id)
	if _, _, err := b.fetch("second"); err != nil {
		return err
	}
	s := b.Engine.Snapshot()
	after, _ := find(s, id)
	if err := wrong(
		expect(after.State == download.Paused && after.Done == before.Done, "it is %s with %d bytes, was at %d", after.State, after.Done, before.Done),
		expect(s.FilesDone == 2 && s.Files == 3, "the counts are %s", words(s)),
	); err != nil {
		return err
	}
	b.Engine.Resume(id)
	_, err = b.until("more of the big file", func(s download.Snapshot) bool {
		t, _ := find(s, id)
		return t.State == download.Running && t.Done > after.Done
	})
	return err
}

func allPaused(b bed) error {
	reqs, err := b.put("one", "two")
	if err != nil {
		return err
	}
	b.Hold(download.WaitingNetwork)
	ids := b.Engine.Add(reqs...)
	for _, id := range ids {
		if _, err := b.state(id, download.WaitingNetwork); err != nil {
			return err
		}
	}
	b.Engine.PauseAll()
	for _, id := range ids {
		if _, err := b.state(id, download.Paused); err != nil {
			return err
		}
	}
	b.Hold(download.Waiting)
	b.Engine.ResumeAll()
	_, err = b.until("two files done", func(s download.Snapshot) bool { return s.FilesDone == 2 })
	return err
}

func canceled(b bed) error {
	id, err := b.running()
	if err != nil {
		return err
	}
	b.Engine.Cancel(id)
	s, err := b.until("the end of the big file", func(s download.Snapshot) bool {
		t, ok := find(s, id)
		return (!ok || t.State == download.Cancelled) && s.Running == 0
	})
	if err != nil {
		return err
	}
	return wrong(expect(s.FilesDone == 0 && s.BytesNew == 0, "a canceled file counts as done: %s", words(s)))
}

func takenOff(b bed) error {
	r, id, err := b.fetch("one")
	if err != nil {
		return err
	}
	b.Engine.Cancel(id)
	if _, err := b.until("an empty list", func(s download.Snapshot) bool { return len(s.Transfers) == 0 }); err != nil {
		return err
	}
	l := b.Engine.Local(r.Dir, []download.Request{r})
	return wrong(expect(len(l) == 1 && l[0].Presence == download.Here, "the file is gone from the disk: %+v", l))
}

// denied adds a file that the server denies.
func (b bed) denied(name string) (download.ID, error) {
	reqs, err := b.put(name)
	if err != nil {
		return 0, err
	}
	b.Refuse(name, true)
	id := b.Engine.Add(reqs...)[0]
	t, err := b.state(id, download.Denied)
	if err != nil {
		return 0, err
	}
	s := b.Engine.Snapshot()
	return id, wrong(
		expect(t.Err != nil && t.State.Finished(), "it has no reason"),
		expect(s.FilesFailed == 1 && s.FilesDone == 0 && s.Files == 1, "the counts are %s", words(s)),
	)
}

func refused(b bed) error {
	id, err := b.denied("one")
	if err != nil {
		return err
	}
	b.Refuse("one", false)
	b.Engine.Retry(id)
	t, err := b.state(id, download.Done)
	if err != nil {
		return err
	}
	s := b.Engine.Snapshot()
	return wrong(
		expect(t.Err == nil, "the old reason is still there: %v", t.Err),
		expect(s.FilesFailed == 0 && s.FilesDone == 1 && s.Files == 1, "the counts are %s", words(s)),
	)
}

func allRetried(b bed) error {
	id, err := b.denied("one")
	if err != nil {
		return err
	}
	b.Refuse("one", false)
	b.Engine.RetryAll()
	_, err = b.state(id, download.Done)
	return err
}

func counted(b bed) error {
	id, err := b.denied("one")
	if err != nil {
		return err
	}
	if _, _, err := b.fetch("two"); err != nil {
		return err
	}
	s := b.Engine.Snapshot()
	if err := wrong(expect(s.Files == 1 && s.FilesFailed == 0, "the second batch is %s", words(s))); err != nil {
		return err
	}
	b.Refuse("one", false)
	b.Engine.Retry(id)
	if _, err := b.state(id, download.Done); err != nil {
		return err
	}
	s = b.Engine.Snapshot()
	return wrong(expect(s.Files == 2 && s.FilesDone == 2, "with the file of before it is %s", words(s)))
}

func moved(b bed) error {
	reqs, err := b.put("one", "two", "three")
	if err != nil {
		return err
	}
	b.Hold(download.WaitingSignIn)
	ids := b.Engine.Add(reqs...)
	for _, id := range ids {
		if _, err := b.state(id, download.WaitingSignIn); err != nil {
			return err
		}
	}
	for _, step := range []struct {
		id   download.ID
		by   int
		want [3]download.ID
	}{
		{ids[2], -1, [3]download.ID{ids[0], ids[2], ids[1]}},
		{ids[0], 1, [3]download.ID{ids[2], ids[0], ids[1]}},
		{ids[2], -1, [3]download.ID{ids[2], ids[0], ids[1]}}, // the first stays
		{ids[1], 1, [3]download.ID{ids[2], ids[0], ids[1]}},  // the last stays
	} {
		b.Engine.Move(step.id, step.by)
		s := b.Engine.Snapshot()
		for i, t := range s.Transfers {
			if t.ID != step.want[i] {
				return fmt.Errorf("after moving %d by %d place %d holds %d, want %d", step.id, step.by, i, t.ID, step.want[i])
			}
		}
	}
	return nil
}

func waits(state download.State) func(bed) error {
	return func(b bed) error {
		reqs, err := b.put("one")
		if err != nil {
			return err
		}
		b.Hold(state)
		id := b.Engine.Add(reqs...)[0]
		t, err := b.state(id, state)
		if err != nil {
			return err
		}
		s := b.Engine.Snapshot()
		if err := wrong(
			expect(!t.State.Finished() && t.Rate == 0, "%s at %v bytes a second", t.State, t.Rate),
			expect(s.FilesDone == 0 && s.FilesFailed == 0 && s.Files == 1, "the counts are %s", words(s)),
		); err != nil {
			return err
		}
		b.Hold(download.Waiting)
		if state == download.WaitingSignIn {
			b.Engine.SignedIn()
		} else {
			b.Engine.RetryAll()
		}
		_, err = b.state(id, download.Done)
		return err
	}
}

func fresh(b bed) error {
	saved, err := b.Engine.Unfinished()
	if err != nil {
		return fmt.Errorf("asking for unfinished transfers: %w", err)
	}
	s := b.Engine.Snapshot()
	return wrong(
		expect(len(saved) == 0, "%d transfers are unfinished", len(saved)),
		expect(b.Engine.Keeps(), "it does not keep the queue"),
		expect(b.Engine.Forget() == nil, "nothing cannot be forgotten"),
		expect(len(s.Transfers) == 0 && s.Files == 0 && s.Bytes == 0, "the sums are %s", words(s)),
	)
}
