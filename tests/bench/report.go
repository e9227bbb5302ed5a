//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
)

// A row is one comparison of brio with one rival.
type row struct {
	Area    string  `json:"area"`
	Work    string  `json:"work"`
	Of      string  `json:"of"` // wall, cpu, memory, throughput, rate, share
	Rival   string  `json:"rival"`
	Rounds  int     `json:"rounds"`
	Brio    float64 `json:"brio"`    // median, in seconds, bytes, or per second
	Other   float64 `json:"other"`   // median of the rival
	Ratio   float64 `json:"ratio"`   // median of the ratios brio / rival of the rounds
	Low     float64 `json:"low"`     // between these, the ratio of another run
	High    float64 `json:"high"`    // should lie
	Target  string  `json:"target"`  // "<= 0.4", ">= 3", "" for none
	Verdict string  `json:"verdict"` // "met", "not met", "not measured", "" without a target
	Close   bool    `json:"close"`   // the target lies within the spread: another run may tell otherwise
	Why     string  `json:"why"`     // of "not measured"
	Limit   string  `json:"limit"`   // of "not met", where it is known: see CONTRIBUTING.md
}

const (
	met         = "met"
	notMet      = "not met"
	notMeasured = "not measured"
)

func (c *comparison) rows() []row {
	var rows []row
	for _, t := range c.targets {
		rows = append(rows, c.row(t))
	}
	return rows
}

func (c *comparison) row(t target) row {
	r := row{Area: c.area, Work: c.work, Of: string(t.of), Rival: t.rival, Target: t.text()}
	var brio, rival, ratios []float64
	for _, round := range c.rounds {
		x, ok := round["brio"]
		y, both := round[t.rival]
		if ok && both && x.value(t.of) > 0 && y.value(t.of) > 0 {
			brio, rival = append(brio, x.value(t.of)), append(rival, y.value(t.of))
			ratios = append(ratios, x.value(t.of)/y.value(t.of))
		}
	}
	if r.Rounds = len(ratios); r.Rounds == 0 {
		r.Verdict, r.Why = notMeasured, oneLine(errors.Join(c.broken["brio"], c.broken[t.rival]))
		return r
	}
	s := spreadOf(ratios)
	r.Brio, r.Other, r.Ratio, r.Low, r.High = median(brio), median(rival), s.ratio, s.low, s.high
	if r.Verdict, r.Close = t.judge(s); r.Verdict == notMet {
		r.Limit = t.limit
	}
	return r
}

// oneLine is what went wrong, fit for a cell of a table.
func oneLine(err error) string {
	if err == nil {
		return "no figure"
	}
	return strings.Join(strings.Fields(strings.ReplaceAll(err.Error(), "|", "/")), " ")
}

// judge says whether the median meets the target, and whether another run might
// say otherwise.
func (t target) judge(s spread) (verdict string, close bool) {
	switch {
	case t.most > 0 && s.ratio <= t.most, t.least > 0 && s.ratio >= t.least:
		verdict = met
	case t.most > 0, t.least > 0:
		verdict = notMet
	}
	return verdict, verdict != "" && s.holds(t.most+t.least) // one of them is 0
}

func (t target) text() string {
	switch {
	case t.most > 0:
		return fmt.Sprintf("<= %.4g", t.most)
	case t.least > 0:
		return fmt.Sprintf(">= %.4g", t.least)
	}
	return ""
}

func (r row) cells() []string {
	if r.Verdict == notMeasured {
		return []string{r.Work, r.Of, r.Rival, "", "", "", r.Target, notMeasured + ": " + r.Why}
	}
	verdict := map[string]string{met: "yes", notMet: "NO"}[r.Verdict]
	if r.Close {
		verdict += ", close"
	}
	if r.Limit != "" {
		verdict += ": " + r.Limit
	}
	return []string{r.Work, r.Of, r.Rival, r.amount(r.Brio), r.amount(r.Other),
		r.ratio(), r.Target, verdict}
}

// ratio is the ratio with its spread, unless the rounds are too few or vary too
// much to tell one.
func (r row) ratio() string {
	switch {
	case r.Rounds < 2:
		return fmt.Sprintf("%.2f", r.Ratio)
	case r.High > 20*r.Low:
		return fmt.Sprintf("%.2f (any)", r.Ratio)
	}
	return fmt.Sprintf("%.2f (%.2f-%.2f)", r.Ratio, r.Low, r.High)
}

func (r row) line() string { return strings.Join(r.cells(), "  ") }

// amount writes a value of the row's quantity for people.
func (r row) amount(v float64) string {
	switch quantity(r.Of) {
	case wallTime, cpuTime:
		switch {
		case v < 1e-4:
			return fmt.Sprintf("%.2f µs", v*1e6)
		case v < 1:
			return fmt.Sprintf("%.2f ms", v*1e3)
		}
		return fmt.Sprintf("%.2f s", v)
	case peakRSS:
		if v < 1<<20 {
			return fmt.Sprintf("%.1f KiB", v/(1<<10))
		}
		return fmt.Sprintf("%.1f MiB", v/(1<<20))
	case throughput:
		return fmt.Sprintf("%.2f GB/s", v/1e9)
	case share:
		return fmt.Sprintf("%.2f %%", v*100)
	}
	return fmt.Sprintf("%.0f/s", v)
}

// report prints the table, and writes the file of -json.
func (b *bench) report() error {
	var rows []row
	for _, c := range b.results {
		rows = append(rows, c.rows()...)
	}
	if b.options.jsonFile == "-" {
		return writeJSON(os.Stdout, rows)
	}
	if err := printRows(os.Stdout, rows, b.options.markdown); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, summary(rows))
	if b.options.jsonFile == "" {
		return nil
	}
	f, err := os.Create(b.options.jsonFile)
	if err != nil {
		return err
	}
	return errors.Join(writeJSON(f, rows), f.Close())
}

// summary counts the verdicts.
func summary(rows []row) string {
	n, near := map[string]int{}, 0
	for _, r := range rows {
		n[r.Verdict]++
		if r.Close {
			near++
		}
	}
	return fmt.Sprintf("%d targets met, %d not met (%d of both close), %d rows without a target, %d not measured",
		n[met], n[notMet], near, n[""], n[notMeasured])
}

func head() []string {
	return []string{"work", "of", "rival", "brio", "rival's", "ratio (spread)", "target", "met"}
}

func printRows(w io.Writer, rows []row, markdown bool) error {
	if markdown {
		return printMarkdown(w, rows)
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(head(), "\t"))
	for _, r := range rows {
		fmt.Fprintln(t, strings.Join(r.cells(), "\t"))
	}
	return t.Flush()
}

func printMarkdown(w io.Writer, rows []row) error {
	lines := []string{"| " + strings.Join(head(), " | ") + " |", strings.Repeat("|---", len(head())) + "|"}
	for _, r := range rows {
		lines = append(lines, "| "+strings.Join(r.cells(), " | ")+" |")
	}
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
	return err
}

func writeJSON(w io.Writer, rows []row) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(rows)
}
