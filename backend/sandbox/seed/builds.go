package seed

import (
	"encoding/binary"
	"fmt"
	"time"

	"usher/backend/sandbox/s3"
)

func (l *loader) builds() {
	l.bucket = Builds
	releases := []struct {
		version string
		when    time.Time
	}{
		{"1.0.0", day(2024, 6, 3)}, {"1.1.0", day(2024, 11, 18)}, {"1.2.0", day(2025, 5, 12)},
		{"1.3.0", day(2026, 1, 26)}, {"1.3.1", day(2026, 2, 9)}, {"1.4.0", day(2026, 10, 5)},
	}
	for _, r := range releases {
		l.release("usher/"+r.version+"/", r.version, r.when)
	}
	for d := 2; d <= 20; d += 3 {
		when := time.Date(2026, 11, d, 2, 11, 4, 0, time.UTC)
		l.release("nightly/"+when.Format("2006-01-02")+"/", "1.5.0-nightly."+when.Format("20060102"), when)
		l.rows("logs/"+when.Format("2006-01-02")+"-nightly.log", when.Add(41*time.Minute), 2_400_000+int64(d)*31_113, buildLog(when))
	}
	l.rows("logs/events-2026-10.jsonl", day(2026, 11, 1), 5_310_220, events(day(2026, 10, 1)))
	l.rows("logs/events-2026-11.jsonl", day(2026, 11, 21), 3_904_118, events(day(2026, 11, 1)))
	l.put(BigKey, day(2026, 11, 16), s3.Object{Content: bigImage(), ContentType: "application/octet-stream",
		ETag: BigETag, CRC64NVME: BigCRC64NVME, PartSize: BigPartSize})
	l.content("images/usher-appliance-2026.11.img.sha256", day(2026, 11, 16), sums([]string{"usher-appliance-2026.11.img"}, []s3.Content{bigImage()}))
	l.put("images/usher-appliance-2026.08.img", day(2026, 8, 17), s3.Object{Content: noise(seedOf("2026.08"), 214<<20), PartSize: BigPartSize})
	l.samples()
	l.text("README.md", day(2026, 10, 5), "# Builds\n\n`usher/` holds releases, `nightly/` the last week, `images/` the appliance.\nEach folder of a release has a SHA256SUMS: `sha256sum -c SHA256SUMS`.\n")
}

// bigImage returns a disk image: a boot sector, then data.
func bigImage() s3.Content {
	sector := make([]byte, 512)
	sector[446] = 0x80 // the first partition, bootable, Linux, from sector 2048 to the end
	sector[446+4] = 0x83
	binary.LittleEndian.PutUint32(sector[446+8:], 2048)
	binary.LittleEndian.PutUint32(sector[446+12:], BigSize/512-2048)
	sector[510], sector[511] = 0x55, 0xaa
	return concat{text(sector), noise(seedOf(BigKey), BigSize-512)}
}

// release puts one folder of archives with their SHA-256 sums.
func (l *loader) release(dir, version string, when time.Time) {
	var names []string
	var files []s3.Content
	for i, platform := range []string{"darwin_amd64", "darwin_arm64", "freebsd_amd64", "linux_amd64", "linux_arm64"} {
		name := "usher_" + version + "_" + platform + ".tar.gz"
		r := random(seedOf(name))
		inner, err := tarball("usher", when, noise(seedOf(name), int64(12_000_000+r.n(6_000_000))))
		if err != nil && l.err == nil {
			l.err = err
		}
		file := gzipped{inner}
		names, files = append(names, name), append(files, file)
		l.content(dir+name, when.Add(time.Duration(i)*17*time.Second), file)
	}
	l.content(dir+"SHA256SUMS", when.Add(2*time.Minute), sums(names, files))
	l.text(dir+"CHANGELOG.md", when.Add(3*time.Minute), "# "+version+"\n\n- Downloads go on after the link was lost\n- The audit pane follows new events\n- Names in every script line up\n")
	l.text(dir+"build.json", when.Add(3*time.Minute), fmt.Sprintf("{\n  \"version\": %q,\n  \"go\": \"go1.26.0\",\n  \"time\": %q,\n  \"commit\": \"%016x\"\n}\n",
		version, when.Format(time.RFC3339), seedOf(version)))
	l.rows(dir+"build.log", when.Add(4*time.Minute), 180_000+int64(seedOf(dir)%200_000), buildLog(when.Add(-20*time.Minute)))
}
