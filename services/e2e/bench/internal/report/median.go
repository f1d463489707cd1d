package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"bulkhead/services/e2e/bench/internal/trial"
)

// median is a run each of whose figures is the median of that figure: it walks the runs' JSON, so that a figure that is added is not forgotten.
func median(runs []*trial.Result) (*trial.Result, error) {
	if len(runs) == 0 {
		return nil, errors.New("report: no run")
	}
	values := make([]any, len(runs))
	for i, r := range runs {
		text, err := json.Marshal(r)
		if err != nil {
			return nil, fmt.Errorf("report: %w", err)
		}
		if err := json.Unmarshal(text, &values[i]); err != nil {
			return nil, fmt.Errorf("report: %w", err)
		}
	}
	text, err := json.Marshal(middle(values))
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	out := &trial.Result{}
	if err := json.Unmarshal(text, out); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return out, nil
}

// middle is the median of numbers, and of objects member by member; what a run does not have counts as 0.
func middle(values []any) any {
	var numbers []float64
	members := map[string][]any{}
	for _, v := range values {
		switch v := v.(type) {
		case float64:
			numbers = append(numbers, v)
		case map[string]any:
			for name := range v {
				members[name] = nil
			}
		}
	}
	if len(numbers) == 0 && len(members) == 0 {
		return nil // nobody has any
	}
	if len(members) == 0 {
		numbers = append(numbers, make([]float64, len(values)-len(numbers))...)
		slices.Sort(numbers)
		return numbers[(len(numbers)-1)/2] // of an even number the lower one, so that a count stays a whole number
	}
	out := map[string]any{}
	for name := range members {
		for _, v := range values {
			object, _ := v.(map[string]any)
			members[name] = append(members[name], object[name])
		}
		out[name] = middle(members[name])
	}
	return out
}
