// The confusion matrix is written for people and for spreadsheets.

package main

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// confusionText is the matrix as a table with recall and precision, which say
// for each class how much of it was found and how much of what was found is
// right.
func confusionText(classes []string, m [][]int) string {
	width := 5
	label := 5
	for _, c := range classes {
		label = max(label, len(c))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%*s |", label, "truth")
	for j := range classes {
		fmt.Fprintf(&b, "%*s", width, short(classes[j], width-1))
	}
	fmt.Fprintf(&b, " | recall\n%s-+%s-+-------\n", strings.Repeat("-", label), strings.Repeat("-", width*len(classes)))
	columns := make([]int, len(classes))
	for i, row := range m {
		fmt.Fprintf(&b, "%*s |", label, classes[i])
		total := 0
		for j, n := range row {
			total += n
			columns[j] += n
			if n == 0 {
				fmt.Fprintf(&b, "%*s", width, ".")
			} else {
				fmt.Fprintf(&b, "%*d", width, n)
			}
		}
		fmt.Fprintf(&b, " | %s\n", percent(row[i], total))
	}
	fmt.Fprintf(&b, "%*s |", label, "prec.")
	for j, n := range columns {
		fmt.Fprintf(&b, "%*s", width, strings.TrimSpace(percent(m[j][j], n)))
	}
	b.WriteString(" |\n")
	return b.String()
}

func short(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}

func percent(part, whole int) string {
	if whole == 0 {
		return "   -"
	}
	return fmt.Sprintf("%5.1f", 100*float64(part)/float64(whole))
}

// writeConfusion writes confusion.csv and confusion.txt.
func writeConfusion(dir string, classes []string, m [][]int) error {
	var b strings.Builder
	w := csv.NewWriter(&b)
	w.Write(append([]string{"truth\\predicted"}, classes...))
	for i, row := range m {
		rec := []string{classes[i]}
		for _, n := range row {
			rec = append(rec, strconv.Itoa(n))
		}
		w.Write(rec)
	}
	w.Flush()
	if err := os.WriteFile(filepath.Join(dir, "confusion.csv"), []byte(b.String()), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "confusion.txt"), []byte(confusionText(classes, m)), 0o644)
}
