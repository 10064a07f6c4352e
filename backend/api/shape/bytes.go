package shape

import (
	"math"
	"strconv"
	"strings"
)

// units are the factors of amounts: k, M, G and T are decimal, ki, Mi, Gi and Ti
// binary.
var units = map[string]float64{
	"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12,
	"ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40,
}

// Bytes parses an amount such as 800k, 10M, 1.5G, 1e6 or 2MiB, in upper or lower
// case, with an optional B at the end. It reports whether the text is one.
func Bytes(text string) (n float64, ok bool) {
	number := strings.TrimRight(text, "kKmMgGtTiIbB")
	factor, ok := units[strings.TrimSuffix(strings.ToLower(text[len(number):]), "b")]
	n, err := strconv.ParseFloat(number, 64)
	n *= factor
	return n, ok && err == nil && n >= 0 && !math.IsInf(n, 1)
}
