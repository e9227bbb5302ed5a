//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// A row is one comparison of brio with one rival.
type row struct {
	Work   string  `json:"work"`
	Of     string  `json:"of"` // wall, cpu, memory, rate
	Rival  string  `json:"rival"`
	Brio   float64 `json:"brio"`   // median, in seconds, bytes, or per second
	Other  float64 `json:"other"`  // median of the rival
	Ratio  float64 `json:"ratio"`  // median of the ratios brio / rival of the rounds
	Low    float64 `json:"low"`    // smallest and largest of them
	High   float64 `json:"high"`   //
	Target string  `json:"target"` // "<= 0.4", ">= 3", "" for none
	Met    bool    `json:"met"`
	Why    string  `json:"why,omitempty"` // why there is no figure
}

func newRow(work string, t target, brio, rival []sample, failure error) row {
	r := row{Work: work, Of: string(t.of), Rival: t.rival, Target: t.text()}
	n := min(len(brio), len(rival))
	if n == 0 {
		r.Why = "not measured: the rival is not installed"
		if failure != nil {
			r.Why = "not measured: " + failure.Error()
		}
		return r
	}
	ratios := make([]float64, n)
	for i := range n {
		ratios[i] = brio[i].value(t.of) / rival[i].value(t.of)
	}
	r.Brio, r.Other, r.Ratio = medianOf(brio, t.of), medianOf(rival, t.of), median(ratios)
	r.Low, r.High = slices.Min(ratios), slices.Max(ratios)
	r.Met = (t.most == 0 || r.Ratio <= t.most) && (t.least == 0 || r.Ratio >= t.least)
	return r
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

func medianOf(s []sample, q quantity) float64 {
	v := make([]float64, len(s))
	for i := range s {
		v[i] = s[i].value(q)
	}
	return median(v)
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	if len(v)%2 == 1 {
		return v[len(v)/2]
	}
	return (v[len(v)/2-1] + v[len(v)/2]) / 2
}

func (r row) cells() []string {
	if r.Why != "" {
		return []string{r.Work, r.Of, r.Rival, "", "", "", r.Target, r.Why}
	}
	met := "yes"
	if !r.Met {
		met = "NO"
	}
	if r.Target == "" {
		met = ""
	}
	return []string{r.Work, r.Of, r.Rival, r.amount(r.Brio), r.amount(r.Other),
		fmt.Sprintf("%.2f (%.2f-%.2f)", r.Ratio, r.Low, r.High), r.Target, met}
}

func (r row) line() string { return strings.Join(r.cells(), "  ") }

// amount writes a value of the row's quantity for people.
func (r row) amount(v float64) string {
	switch quantity(r.Of) {
	case wallTime, cpuTime:
		if v < 1 {
			return fmt.Sprintf("%.2f ms", v*1000)
		}
		return fmt.Sprintf("%.2f s", v)
	case peakRSS:
		if v < 1<<20 {
			return fmt.Sprintf("%.1f KiB", v/(1<<10))
		}
		return fmt.Sprintf("%.1f MiB", v/(1<<20))
	}
	if v >= 1e7 {
		return fmt.Sprintf("%.2f GB/s", v/1e9) // only streams are that fast
	}
	return fmt.Sprintf("%.4g/s", v)
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

func writeJSON(name string, rows []row) error {
	text, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(text, '\n'), 0o644)
}
