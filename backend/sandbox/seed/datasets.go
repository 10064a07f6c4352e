package seed

import (
	"fmt"
	"strings"
	"time"
)

// The folder of 20,000 objects: SensorDays days of SensorStations stations.
const (
	SensorPrefix   = "public/sensor-readings/" // in Datasets
	SensorDays     = 20
	SensorStations = 1000
)

func (l *loader) datasets() {
	l.bucket = Datasets
	l.text("public/README.md", day(2026, 11, 1), "# Public data sets\n\nCC BY 4.0. `sensor-readings/` holds one CSV a station and day, the months hold one Parquet file a day.\n")
	l.folder("public/empty/", day(2026, 1, 5))
	for _, month := range []time.Month{time.September, time.October, time.November} {
		first := time.Date(2026, month, 1, 0, 0, 0, 0, time.UTC)
		days := 30
		if month == time.November {
			days = 20
		}
		for d := range days {
			t := first.AddDate(0, 0, d)
			for i, region := range []string{"north", "south"} {
				key := fmt.Sprintf("public/%s/%s/weather-%s.parquet", t.Format("2006-01"), region, t.Format("2006-01-02"))
				r := random(seedOf(key))
				l.content(key, t.Add(26*time.Hour+time.Duration(i)*3*time.Minute), parquet(seedOf(key), t, int64(90_000+r.n(80_000))))
			}
		}
		l.text(fmt.Sprintf("public/%s/schema.json", first.Format("2006-01")), first, "{\n  \"columns\": [\n    {\"name\": \"time_us\", \"type\": \"int64\"},\n    {\"name\": \"temperature_c\", \"type\": \"double\"},\n    {\"name\": \"humidity_pct\", \"type\": \"double\"}\n  ]\n}\n")
	}
	l.sensors() // in key order: loading in order is cheaper
	l.rows("public/stations.csv", day(2026, 6, 2), 74_311, sensors(day(2026, 6, 1)))
	l.pdf("public/methodology.pdf", day(2026, 6, 2), 512_340, "How the stations measure")
	l.png("public/coverage.png", day(2026, 6, 2))
	for i := 1; i <= 3; i++ {
		l.content(fmt.Sprintf("embargoed/2027-forecast-%d.parquet", i), day(2026, 11, 10+i), parquet(uint64(i), day(2027, 1, i), 120_000))
	}
}

func (l *loader) sensors() {
	for d := range SensorDays {
		t := time.Date(2026, 11, 1+d, 0, 0, 0, 0, time.UTC)
		kind := sensors(t)
		stored := t.Add(24*time.Hour + 7*time.Minute)
		prefix := SensorPrefix + t.Format("2006-01-02") + "_station-"
		key := make([]byte, 0, len(prefix)+8)
		for i := range SensorStations {
			key = append(digits(append(key[:0], prefix...), int64(i), 4), ".csv"...)
			seed := mix(uint64(d*SensorStations + i))
			l.content(string(key), stored.Add(time.Duration(i)*time.Second), newLines(kind, seed, int64(3000+seed%3500)))
		}
	}
}

// names puts a folder of ordinary names in many scripts. Such names are difficult
// to display and to compare.
func (l *loader) names() {
	l.bucket = Datasets
	const dir = "public/世界の名前/"
	for i, name := range []string{
		"東京-気温-2026.csv", "大阪 湿度.csv", "データ一覧（最新）.csv", // Japanese
		"北京天气.csv", "臺北天氣.csv", "서울-기온.csv", // Chinese, Korean
		"تقرير الطقس.csv", "דוח-מזג-אוויר.csv", "گزارش ۱۴۰۵.csv", // Arabic, Hebrew, Persian
		"मौसम-रिपोर्ट.csv", "வானிலை.csv", "আবহাওয়া.csv", "สภาพอากาศ.csv", // Devanagari, Tamil, Bengali, Thai
		"погода-Київ.csv", "καιρός-Αθήνα.csv", "եղանակ.csv", "ამინდი.csv", "የአየር ሁኔታ.csv",
		"Zürich.csv", "Ærøskøbing.csv", "İstanbul-ıssız.csv", "Đà-Nẵng.csv", "Łódź.csv",
		"caf\u00e9.csv", "cafe\u0301.csv", // the same word, composed and decomposed: two objects
		"🌦️ forecast.csv", "👩🏽‍🔬 notes.md", "🇯🇵🇩🇪.csv", "family-👨‍👩‍👧‍👦.csv", // variation selector, joiners, flags
		"Z̸̡a̷l̴g̵o̶-station.csv", "n\u0303\u0302\u0301.csv", // stacked combining marks
		"ﬁne-print.csv", "ＦＵＬＬＷＩＤＴＨ.csv", "½-hour.csv",
		"a file with  two spaces.csv", "100% sure?.csv", "plus+and&ampersand.csv", "#hash;semicolon.csv", "tilde~quote'back`tick.csv",
		"long-name-" + strings.Repeat("measured-again-", 14) + "end.csv",
	} {
		if strings.HasSuffix(name, ".md") {
			l.text(dir+name, day(2026, 7, 1+i%28), "# Notes\n\nThe instrument on the roof was cleaned on Tuesday.\n")
			continue
		}
		l.rows(dir+name, day(2026, 7, 1+i%28), int64(2_000+i*97), sensors(day(2026, 7, 1)))
	}
}
