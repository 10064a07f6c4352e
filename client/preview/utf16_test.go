package preview_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"

	"usher/client/preview"
)

// inUTF16 returns a text in UTF-16 with a byte order mark.
func inUTF16(order binary.AppendByteOrder, text string) []byte {
	out := order.AppendUint16(nil, 0xfeff)
	for _, unit := range utf16.Encode([]rune(text)) {
		out = order.AppendUint16(out, unit)
	}
	return out
}

// A text in UTF-16 is shown up to 4 MiB of the file, and a sentence has this place. No
// character is split there.
func TestLongUTF16(t *testing.T) {
	const most = 4 << 20
	lines := func(bytes int) string { return strings.Repeat("a line\n", bytes/14+1)[:bytes/2] }
	for name, order := range map[string]binary.AppendByteOrder{"little": binary.LittleEndian, "big": binary.BigEndian} {
		for _, c := range []struct {
			name string
			data []byte
			want int64
			cut  bool
		}{
			{"all of it", inUTF16(order, lines(most-2)), preview.Most, false},
			{"a character too much", inUTF16(order, lines(most)), preview.Most, true},
			{"twice as long", inUTF16(order, lines(2*most)), preview.Most, true},
			{"more to come", inUTF16(order, lines(2*most)), preview.Free, true},
			{"a pair at the end", inUTF16(order, lines(most-4)+"\U0001F600"+lines(100)), preview.Most, true},
			{"a pair at the end of the first part", inUTF16(order, lines(int(preview.First)-4)+"\U0001F600"+lines(100)), preview.First, false},
			{"UTF-8", []byte(lines(4 * most)), preview.Most, false},
		} {
			r := preview.NewRanges(memory(c.data), int64(len(c.data)))
			r.Allow(preview.Most)
			d, err := preview.Open(t.Context(), r, "notes.txt", c.want)
			if err != nil {
				t.Fatal(err)
			}
			const note = "The text stops after 4.19 MB"
			if got := strings.Contains(strings.Join(d.Notes, " "), note); got != c.cut {
				t.Errorf("%s, %s endian: the notes are %q", c.name, name, d.Notes)
			}
			shown := d.Views[0].(*preview.Text).Lines
			if last := shown[len(shown)-1].Raw; strings.ContainsRune(last, 0xfffd) {
				t.Errorf("%s, %s endian: the text ends with %q", c.name, name, last)
			}
		}
	}
	// A text that ends in the middle of a pair is shown as it is.
	broken := inUTF16(binary.LittleEndian, "a\U0001F600")
	d, _ := open(t, "notes.txt", broken[:len(broken)-2])
	if got := d.Views[0].(*preview.Text).Lines[0].Raw; got != "a\ufffd" {
		t.Errorf("half a pair is %q", got)
	}
	// The packed content has the sentence of its kind alone.
	d, _ = open(t, "notes.txt.gz", gzipped(bytes.Repeat(inUTF16(binary.LittleEndian, lines(most)), 2)))
	if len(d.Notes) != 2 || !strings.HasPrefix(d.Notes[0], "The content stops at 4.19 MB") {
		t.Errorf("the notes of packed text are %q", d.Notes)
	}
}
