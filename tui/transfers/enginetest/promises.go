package enginetest

import (
	"errors"
	"fmt"
	"strings"

	"usher/backend/api"
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

// folderOf returns a request for a folder whose files are listed already.
func (b bed) folderOf(names ...string) (download.Request, error) {
	var out download.Request
	for i, name := range names {
		r, err := b.Put("folder/"+name, int64(1000+i))
		if err != nil {
			return out, err
		}
		at := r.Modified
		out.Listed = append(out.Listed, api.Entry{Name: name, Kind: api.KindObject, Size: r.Size, ETag: r.ETag, Modified: &at})
		out.Bucket, out.Dir, out.Whole, out.Key = r.Bucket, r.Dir, r.Whole, strings.TrimSuffix(r.Key, name)
	}
	out.Folder, out.ListedAll = true, true
	return out, nil
}

func folder(b bed) error {
	r, err := b.folderOf("a", "b")
	if err != nil {
		return err
	}
	id := b.Engine.Add(r)[0]
	f, err := b.state(id, download.Done)
	if err != nil {
		return err
	}
	s := b.Engine.Snapshot()
	if err := wrong(
		expect(f.Folder && !f.Counting, "it is no folder that was walked to its end"),
		expect(f.Files == 2 && f.FilesDone == 2 && f.FilesFailed == 0, "the folder counts %d files, %d done, %d failed", f.Files, f.FilesDone, f.FilesFailed),
		expect(f.Size == 2001 && f.Done == 2001, "the folder has %d of %d bytes", f.Done, f.Size),
		expect(s.Files == 2 && s.FilesDone == 2 && s.Bytes == 2001, "the sums are %s", words(s)),
		expect(len(s.Transfers) == 3, "%d transfers for a folder of two files", len(s.Transfers)),
	); err != nil {
		return err
	}
	for _, t := range s.Transfers {
		if t.ID != id && (t.Parent != id || t.State != download.Done) {
			return fmt.Errorf("%s belongs to %d and is %s", t.Key, t.Parent, t.State)
		}
	}
	return nil
}

func without(b bed) error {
	r, err := b.folderOf("a", "b", "c")
	if err != nil {
		return err
	}
	r.Without = []string{"b"}
	if _, err := b.state(b.Engine.Add(r)[0], download.Done); err != nil {
		return err
	}
	s := b.Engine.Snapshot()
	for _, t := range s.Transfers {
		if strings.HasSuffix(t.Key, "folder/b") {
			return errors.New("a file that was left out is in the queue")
		}
	}
	return wrong(expect(s.FilesDone == 2, "%d files were fetched, want 2", s.FilesDone))
}

func local(b bed) error {
	reqs, err := b.put("one", "two")
	if err != nil {
		return err
	}
	before := b.Engine.Local(reqs[0].Dir, reqs)
	id := b.Engine.Add(reqs[0])[0]
	t, err := b.state(id, download.Done)
	if err != nil {
		return err
	}
	after := b.Engine.Local(reqs[0].Dir, reqs)
	elsewhere := b.Engine.Local(reqs[0].Dir+"-elsewhere", reqs)
	return wrong(
		expect(len(before) == 2 && len(after) == 2 && len(elsewhere) == 2, "%d, %d and %d answers for 2 requests", len(before), len(after), len(elsewhere)),
		expect(before[0].Presence == download.Absent && before[1].Presence == download.Absent, "before: %+v", before),
		expect(after[0].Presence == download.Here && after[1].Presence == download.Absent, "after: %+v", after),
		expect(after[0].Path == t.Dest, "the disk names %s, the transfer %s", after[0].Path, t.Dest),
		expect(elsewhere[0].Presence == download.Absent, "another folder has it too: %+v", elsewhere),
	)
}

func again(b bed) error {
	r, _, err := b.fetch("one")
	if err != nil {
		return err
	}
	id := b.Engine.Add(r)[0]
	t, err := b.state(id, download.Skipped)
	if err != nil {
		return err
	}
	s := b.Engine.Snapshot()
	return wrong(
		expect(!t.Differs && t.Err == nil, "it differs: %v, error %v", t.Differs, t.Err),
		expect(s.Files == 1 && s.FilesDone == 1 && s.FilesSame == 1 && s.BytesNew == 0, "the sums are not those of the last batch: %s, %d the same, %d new bytes", words(s), s.FilesSame, s.BytesNew),
	)
}

func differs(b bed) error {
	if _, _, err := b.fetch("one"); err != nil {
		return err
	}
	r, err := b.Put("one", 5000)
	if err != nil {
		return err
	}
	if l := b.Engine.Local(r.Dir, []download.Request{r}); len(l) != 1 || l[0].Presence != download.HereOther {
		return fmt.Errorf("the disk says %+v of a file of another size", l)
	}
	add := func(c download.Conflict, want download.State) (download.Transfer, error) {
		r.Conflict = c
		return b.state(b.Engine.Add(r)[0], want)
	}
	left, err := add(download.Leave, download.Skipped)
	if err != nil {
		return fmt.Errorf("leave: %w", err)
	}
	sums := b.Engine.Snapshot()
	no, err := add(download.Refuse, download.Failed)
	if err != nil {
		return fmt.Errorf("refuse: %w", err)
	}
	if _, err := add(download.Overwrite, download.Done); err != nil {
		return fmt.Errorf("overwrite: %w", err)
	}
	l := b.Engine.Local(r.Dir, []download.Request{r})
	return wrong(
		expect(left.Differs, "what was left does not count as different"),
		expect(sums.FilesDiffer == 1 && sums.FilesSame == 0, "%d files differ, %d are the same", sums.FilesDiffer, sums.FilesSame),
		expect(errors.Is(no.Err, download.ErrExists), "refused with %v", no.Err),
		expect(len(l) == 1 && l[0].Presence == download.Here, "after replacing it the disk says %+v", l),
	)
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
