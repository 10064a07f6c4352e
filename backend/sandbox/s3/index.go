package s3

import (
	"slices"
	"strings"
)

// index stores objects in the byte order of their keys, as a list of short sorted
// blocks. A look-up is two binary searches, and an insertion moves at most one
// block. An insertion in key order is an append.
type index struct {
	blocks [][]*object // none empty
	n      int
}

const blockMax = 512 // objects

// seek returns the position of the first object whose key is not less than key.
func (x *index) seek(key string) (block, pos int) {
	block, _ = slices.BinarySearchFunc(x.blocks, key, func(b []*object, key string) int {
		return strings.Compare(b[len(b)-1].key, key)
	})
	if block == len(x.blocks) {
		return block, 0
	}
	pos, _ = slices.BinarySearchFunc(x.blocks[block], key, func(o *object, key string) int {
		return strings.Compare(o.key, key)
	})
	return block, pos
}

// at returns the object at a position of seek, nil at the end.
func (x *index) at(block, pos int) *object {
	if block >= len(x.blocks) {
		return nil
	}
	return x.blocks[block][pos]
}

func (x *index) get(key string) *object {
	if o := x.at(x.seek(key)); o != nil && o.key == key {
		return o
	}
	return nil
}

// put stores o and returns the replaced object, or nil.
func (x *index) put(o *object) *object {
	if len(x.blocks) == 0 {
		x.blocks = append(x.blocks, append(make([]*object, 0, blockMax), o))
		x.n = 1
		return nil
	}
	block := len(x.blocks) - 1
	pos := len(x.blocks[block])
	if x.blocks[block][pos-1].key >= o.key { // not an append
		block, pos = x.seek(o.key)
	}
	if pos < len(x.blocks[block]) && x.blocks[block][pos].key == o.key {
		old := x.blocks[block][pos]
		x.blocks[block][pos] = o
		return old
	}
	x.n++
	b := x.blocks[block]
	if len(b) == blockMax {
		// An append starts a new block; an insertion splits the block in halves.
		cut := blockMax / 2
		if block == len(x.blocks)-1 && pos == blockMax {
			cut = blockMax
		}
		tail := append(make([]*object, 0, blockMax), b[cut:]...)
		clear(b[cut:])
		x.blocks[block] = b[:cut]
		x.blocks = slices.Insert(x.blocks, block+1, tail)
		if pos >= cut {
			block, pos = block+1, pos-cut
		}
		b = x.blocks[block]
	}
	x.blocks[block] = slices.Insert(b, pos, o) // in place: the capacity is blockMax
	return nil
}

// remove deletes key and returns its object, or nil.
func (x *index) remove(key string) *object {
	block, pos := x.seek(key)
	o := x.at(block, pos)
	if o == nil || o.key != key {
		return nil
	}
	x.n--
	if len(x.blocks[block]) == 1 {
		x.blocks = slices.Delete(x.blocks, block, block+1)
	} else {
		x.blocks[block] = slices.Delete(x.blocks[block], pos, pos+1)
	}
	return o
}

// entry is one row of a listing: an object or a common prefix.
type entry struct {
	object *object
	prefix string
}

func (e entry) name() string {
	if e.object != nil {
		return e.object.key
	}
	return e.prefix
}

// list returns up to limit entries with a name that begins with prefix and is
// greater than after, and whether more follow. Keys and common prefixes are in
// one order. As in S3, a common prefix that is not greater than after is omitted
// with all its keys: an earlier page listed it, or it is a prefix of after.
func (x *index) list(prefix, delimiter, after string, limit int) (rows []entry, more bool) {
	start := prefix
	if after >= start {
		start = after + "\x00" // the smallest key greater than after
	}
	block, pos := x.seek(start)
	for {
		o := x.at(block, pos)
		if o == nil || !strings.HasPrefix(o.key, prefix) {
			return rows, false
		}
		e := entry{object: o}
		if delimiter != "" {
			if i := strings.Index(o.key[len(prefix):], delimiter); i >= 0 {
				e = entry{prefix: o.key[:len(prefix)+i+len(delimiter)]}
			}
		}
		if e.object != nil || e.prefix > after {
			if len(rows) == limit {
				return rows, true
			}
			rows = append(rows, e)
		}
		if e.object != nil {
			if pos++; pos == len(x.blocks[block]) {
				block, pos = block+1, 0
			}
			continue
		}
		next, ok := successor(e.prefix)
		if !ok {
			return rows, false
		}
		block, pos = x.seek(next)
	}
}

// successor returns the smallest string greater than every string that begins
// with s. The second result is false if there is none.
func successor(s string) (string, bool) {
	for s != "" && s[len(s)-1] == 0xff { // bytes, not text: TrimRight would decode UTF-8
		s = s[:len(s)-1]
	}
	if s == "" {
		return "", false
	}
	return s[:len(s)-1] + string([]byte{s[len(s)-1] + 1}), true
}
