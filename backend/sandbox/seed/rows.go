package seed

import (
	"strconv"
	"time"
)

func accounts() []string {
	return []string{"1000 Cash", "1200 Receivables", "1500 Inventory", "2000 Payables", "2400 VAT", "3000 Equity",
		"4000 Product revenue", "4100 Service revenue", "5000 Cost of sales", "6100 Salaries", "6300 Rent", "6500 Travel", "7000 Depreciation"}
}

func parties() []string {
	return []string{"Northwind Optics", "Halden Marine", "Sato Precision", "Okafor & Sons", "Lindqvist AB", "Marlow Freight",
		"Pereira Embalagens", "Kestrel Energy", "Baltic Timber", "Ashgrove Labs", "Rossi Tessuti", "Gupta Instruments"}
}

func regions() []string {
	return []string{"DACH", "Nordics", "Benelux", "UK & Ireland", "Iberia", "Japan", "India", "North America", "LATAM", "MENA"}
}

// ledger returns a journal of accounting entries from the first day of a year.
func ledger(first time.Time) *lineKind {
	acc, par := accounts(), parties()
	return &lineKind{
		head: "date,entry,account,counterparty,cost_center,debit_eur,credit_eur,memo\n",
		row: func(b []byte, r random, n int64, extra int) []byte {
			b = first.AddDate(0, 0, int(n/40)%91).AppendFormat(b, "2006-01-02,")
			b = append(b, "JE-"...)
			b = digits(b, n+100001, 7)
			b = append(b, ',')
			b = append(b, r.pick(acc)...)
			b = append(b, ',')
			b = append(b, r.pick(par)...)
			b = append(b, ",CC-"...)
			b = digits(b, int64(100+r.n(40)), 3)
			b = append(b, ',')
			if r.n(2) == 0 {
				b = money(b, int64(r.n(9_000_000)))
				b = append(b, ",,posted"...)
			} else {
				b = append(b, ',')
				b = money(b, int64(r.n(9_000_000)))
				b = append(b, ",posted"...)
			}
			return append(pad(b, extra), '\n')
		},
	}
}

// revenue returns sales by region and month.
func revenue(first time.Time) *lineKind {
	reg := regions()
	return &lineKind{
		head: "month,region,product,units,net_eur,comment\n",
		row: func(b []byte, r random, n int64, extra int) []byte {
			b = first.AddDate(0, int(n)%3, 0).AppendFormat(b, "2006-01,")
			b = append(b, r.pick(reg)...)
			b = append(b, ",P-"...)
			b = digits(b, int64(r.n(400)), 4)
			b = append(b, ',')
			b = strconv.AppendInt(b, int64(r.n(5000)), 10)
			b = append(b, ',')
			b = money(b, int64(r.n(80_000_000)))
			b = append(b, ",final"...)
			return append(pad(b, extra), '\n')
		},
	}
}

// buildLog returns the log of a build server.
func buildLog(start time.Time) *lineKind {
	steps := []string{"compiling", "linking", "testing", "vetting", "packing", "signing", "uploading"}
	pkgs := []string{"backend/grant", "backend/audit", "backend/object", "client/download", "session", "tui", "backend/identity"}
	levels := []string{"INFO ", "INFO ", "INFO ", "DEBUG", "WARN "}
	return &lineKind{row: func(b []byte, r random, n int64, extra int) []byte {
		b = start.Add(time.Duration(n)*137*time.Millisecond+time.Duration(r.n(90))*time.Millisecond).AppendFormat(b, "2006-01-02T15:04:05.000Z ")
		b = append(b, r.pick(levels)...)
		b = append(b, " worker-"...)
		b = digits(b, int64(r.n(16)), 2)
		b = append(b, ' ')
		b = append(b, r.pick(steps)...)
		b = append(b, ' ')
		b = append(b, r.pick(pkgs)...)
		b = append(b, " took="...)
		b = strconv.AppendInt(b, int64(r.n(4000)), 10)
		b = append(b, "ms detail=ok"...)
		return append(pad(b, extra), '\n')
	}}
}

// events returns events as JSON lines.
func events(start time.Time) *lineKind {
	kinds := []string{"build-started", "build-finished", "artifact-stored", "test-failed", "test-passed", "deploy"}
	return &lineKind{row: func(b []byte, r random, n int64, extra int) []byte {
		b = append(b, `{"time":"`...)
		b = start.Add(time.Duration(n)*11*time.Second).AppendFormat(b, time.RFC3339)
		b = append(b, `","event":"`...)
		b = append(b, r.pick(kinds)...)
		b = append(b, `","build":`...)
		b = strconv.AppendInt(b, 40_000+n, 10)
		b = append(b, `,"duration_ms":`...)
		b = strconv.AppendInt(b, int64(r.n(600_000)), 10)
		b = append(b, `,"note":"ok`...)
		return append(pad(b, extra), "\"}\n"...)
	}}
}

// sensors returns one day of a weather station.
func sensors(day time.Time) *lineKind {
	return &lineKind{
		head: "time,temperature_c,humidity_pct,pressure_hpa,battery_v,note\n",
		row: func(b []byte, r random, n int64, extra int) []byte {
			b = day.Add(time.Duration(n)*10*time.Minute).AppendFormat(b, "15:04:05,")
			b = tenths(b, int64(20+r.n(180)))
			b = append(b, ',')
			b = tenths(b, int64(300+r.n(690)))
			b = append(b, ',')
			b = tenths(b, int64(9800+r.n(500)))
			b = append(b, ",3."...)
			b = digits(b, int64(r.n(70)), 2)
			b = append(b, ",ok"...)
			return append(pad(b, extra), '\n')
		},
	}
}

// people returns a list of staff, in a folder outside every grant.
func people() *lineKind {
	first := []string{"Ada", "Grace", "Alan", "Margaret", "Noor", "Chen", "Priya", "Jonas", "Aiko", "Tomás"}
	last := []string{"Byrne", "Haddad", "Wei", "Okafor", "Lindqvist", "Moreau", "Sato", "Gupta", "Rossi", "Pereira"}
	return &lineKind{
		head: "staff_id,name,grade,gross_eur,remark\n",
		row: func(b []byte, r random, n int64, extra int) []byte {
			b = append(b, "S-"...)
			b = digits(b, n+1, 5)
			b = append(b, ',')
			b = append(b, r.pick(first)...)
			b = append(b, ' ')
			b = append(b, r.pick(last)...)
			b = append(b, ",G"...)
			b = digits(b, int64(3+r.n(9)), 2)
			b = append(b, ',')
			b = money(b, int64(280_000+r.n(900_000)))
			b = append(b, ",confirmed"...)
			return append(pad(b, extra), '\n')
		},
	}
}

// digits appends v with leading zeros.
func digits(b []byte, v int64, width int) []byte {
	s := strconv.FormatInt(v, 10)
	for range width - len(s) {
		b = append(b, '0')
	}
	return append(b, s...)
}

func money(b []byte, cents int64) []byte {
	b = strconv.AppendInt(b, cents/100, 10)
	return digits(append(b, '.'), cents%100, 2)
}

func tenths(b []byte, v int64) []byte {
	b = strconv.AppendInt(b, v/10, 10)
	return strconv.AppendInt(append(b, '.'), v%10, 10)
}
