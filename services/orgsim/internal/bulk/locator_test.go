package bulk

import (
	"strings"
	"testing"
)

const someResult = "0Ga000000000001CAA"

func FuzzParseLocator(f *testing.F) {
	for _, seed := range []string{
		"", "null", "MTAwMDA", "MDowR2FIbjAwMDAwNXMyVDRLQUk6MQ", locator{someResult, 0}.String(), locator{someResult, 1<<31 - 1}.String(),
		locator{someResult, -1}.String(), locator{"", 7}.String(), strings.Repeat("A", 100), "MDo=",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		result, row, ok := ParseLocator(text)
		if !ok {
			if result != "" || row != 0 {
				t.Errorf("%q: a refused locator still leads to %s %d", text, result, row)
			}
			return
		}
		if again := (locator{result, row}).String(); again != text || row < 0 {
			t.Errorf("%q leads to %s %d, whose locator is %q", text, result, row, again)
		}
	})
}

func TestLocators(t *testing.T) {
	t.Run("a locator leads back to its row, in letters and digits alone", func(t *testing.T) {
		for _, row := range []int{0, 1, 9, 10, 100_000, 2_147_483_647} {
			text := locator{someResult, row}.String()
			if result, got, ok := ParseLocator(text); !ok || got != row || result != someResult {
				t.Errorf("%s: got %s %d %v", text, result, got, ok)
			}
			if strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") != "" {
				t.Errorf("%s has other characters", text)
			}
		}
	})
	t.Run("a recorded one is read", func(t *testing.T) {
		if result, row, ok := ParseLocator("MDowR2FIbjAwMDAwNXMyVDRLQUk6MQ"); !ok || result != "0GaHn000005s2T4KAI" || row != 1 {
			t.Errorf("got %s %d %v", result, row, ok)
		}
	})
}
