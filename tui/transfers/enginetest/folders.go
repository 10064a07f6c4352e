package enginetest

import (
	"errors"
	"fmt"
	"strings"

	"usher/backend/api"
	"usher/client/download"
)

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
