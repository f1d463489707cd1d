package acceptance

import (
	_ "embed"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bulkhead/libs/testkit"
)

// rows.txt says which tests show what was promised: a line for each promise with its number, then a line for each test with its package, its name and, behind
// a colon, words of the name of the part that shows it.
//
//go:embed rows.txt
var rowsFile string

// promised are the numbers that must stand in rows.txt, in its order.
const promised = "A3 A4 A5 A6 A7 A13 A17 A18 A19 A20 A21 A25 A27 A28 A35 B2 B11 B12 B13 B14 B15 B16 B17 B18 B19 B20 B21 B22 B23 B24 B25 B26 B27 B28 B29 B30 B31 B33 B41 B43 C1 C5 C6 C13 C18 C27 C28 C29 C30 D1 D3 D6 D7 D17 D19 D26 D27 D28 D29 D35 D36 D37 D38 D39 D47 D48 D49 D50 D51 D52 D54 D65 E7 E8 E13 E15 E16 E19 E21"

var testLine = regexp.MustCompile(`^  (\S+) ((?:Test|Fuzz)\w+)(?:: (.+))?$`)

func TestEveryPromiseHasATestThatIsThere(t *testing.T) {
	var numbers []string
	tests := map[string]int{} // by number
	sources := &testkit.Named{Root: "../../.."}
	for line := range strings.Lines(rowsFile) {
		line = strings.TrimRight(line, "\n")
		if !strings.HasPrefix(line, " ") {
			number, sentence, _ := strings.Cut(line, " ")
			if sentence == "" {
				t.Errorf("%q promises nothing", line)
			}
			numbers = append(numbers, number)
			continue
		}
		m := testLine.FindStringSubmatch(line)
		if m == nil || len(numbers) == 0 {
			t.Fatalf("no test of a promise: %q", line)
		}
		number, dir, name, words := numbers[len(numbers)-1], m[1], m[2], m[3]
		tests[number]++
		if err := sources.Find(dir, name, words); err != nil {
			t.Errorf("%s: %v", number, err)
		}
	}
	if want := strings.Fields(promised); !slices.Equal(numbers, want) {
		t.Errorf("rows.txt has the numbers %v, want %v", numbers, want)
	}
	for _, n := range numbers {
		if tests[n] == 0 {
			t.Errorf("nothing shows %s", n)
		}
	}
}
