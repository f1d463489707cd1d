package main

import (
	"bufio"
	"embed"
	"fmt"
	"strconv"
	"strings"

	"bulkhead/services/e2e/chaos/internal/plan"
)

//go:embed *.txt
var lists embed.FS

// points reads the declared crash points.
func points() ([]plan.Point, error) {
	text, err := lists.ReadFile("points.txt")
	if err != nil {
		return nil, fmt.Errorf("list of crash points: %w", err)
	}
	return plan.ParsePoints(string(text))
}

// keptSeed is a seed that is always run, and why.
type keptSeed struct {
	seed uint64
	why  string
}

// kept reads the seeds that once failed.
func kept() ([]keptSeed, error) {
	text, err := lists.ReadFile("seeds.txt")
	if err != nil {
		return nil, fmt.Errorf("list of kept seeds: %w", err)
	}
	return parseKept(string(text))
}

// parseKept reads a seed a line and, behind it, what it once showed. Blank lines and lines that begin with # say nothing.
func parseKept(text string) ([]keptSeed, error) {
	var out []keptSeed
	in := bufio.NewScanner(strings.NewReader(text))
	for n := 1; in.Scan(); n++ {
		line := strings.TrimSpace(in.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		number, why, _ := strings.Cut(line, " ")
		seed, err := strconv.ParseUint(number, 10, 64)
		if err != nil || strings.TrimSpace(why) == "" {
			return nil, fmt.Errorf("kept seeds, line %d: %q is not a seed and what it once showed", n, line)
		}
		out = append(out, keptSeed{seed: seed, why: strings.TrimSpace(why)})
	}
	return out, in.Err()
}
