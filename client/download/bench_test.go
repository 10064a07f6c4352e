package download

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkProcess downloads in a child process, in turn with floor (bare GETs
// and pwrite with the same releases). It reports CPU seconds for a GiB or for
// 1,000 files, peak memory in MiB, and speed as a ratio to the floor. Server and
// clients share the machine, so compare values of one run only.
func BenchmarkProcess(b *testing.B) {
	self, err := os.Executable()
	must(b, err)
	for _, c := range []struct {
		name string
		fill func(w *testbed)
		per  float64
		unit string
	}{
		{"1GiB", func(w *testbed) {
			data := make([]byte, 1<<30)
			for at := 0; at < len(data); at += copy(data[at:], noise()) {
			}
			w.put("b/f/big", data, "CRC64NVME")
		}, 1, "cpu-s/GiB"},
		{"16x32MiB", func(w *testbed) {
			for i := range 16 {
				w.put(fmt.Sprintf("b/f/%d", i), random(uint64(i), 32<<20), "CRC64NVME")
			}
		}, 0.5, "cpu-s/GiB"},
		{"10000x4KiB", func(w *testbed) {
			for i := range 10_000 {
				w.put(fmt.Sprintf("b/f/%05d", i), random(uint64(i), 4096), "CRC64NVME")
			}
		}, 10, "cpu-s/1000"},
	} {
		b.Run(c.name, func(b *testing.B) {
			w := newTestbed(b)
			w.page = 1000
			c.fill(w)
			backend := w.backend()
			var cpu, wall [2]float64 // usher, floor
			peak := 0.0
			for b.Loop() {
				for i, extra := range []string{"USHER_TEST_CHILD_MEASURED=1", "USHER_TEST_CHILD_FLOOR=1"} {
					dir := scratch(b)
					cmd := exec.Command(self)
					cmd.Env = append(os.Environ(), "USHER_TEST_CHILD="+dir, "USHER_TEST_CHILD_SERVER="+backend.URL, "USHER_TEST_CHILD_S3="+w.host(), extra)
					began := time.Now()
					out, err := cmd.CombinedOutput()
					if err != nil {
						b.Fatalf("%v: %s", err, out)
					}
					wall[i] += time.Since(began).Seconds()
					cpu[i] += (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
					if i == 0 {
						peak = max(peak, peakMiB(string(out)))
					}
					os.RemoveAll(dir)
				}
			}
			b.ReportMetric(cpu[0]/float64(b.N)/c.per, c.unit)
			b.ReportMetric(cpu[1]/float64(b.N)/c.per, "floor-"+c.unit)
			b.ReportMetric(wall[1]/wall[0], "speed/floor")
			b.ReportMetric(peak, "peak-MiB")
		})
	}
}

// peakMiB returns VmHWM of /proc/self/status in MiB, or 0 without one.
func peakMiB(status string) float64 {
	_, rest, _ := strings.Cut(status, "VmHWM:")
	kib, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, _ := strconv.ParseFloat(kib, 64)
	return n / 1024
}
