// Package sample makes the rows by which the simulator's speed and memory are measured: ten columns and 250 bytes each, of
// an object without any rule but that the key is unique. Its texts differ from row to row as real ones do, so that they
// compress as real ones do, and are the same in every run.
package sample

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Object is the object of the rows.
const Object = "Lead"

// Model is an object model that has it alone.
const Model = `
objects:
  - name: Lead
    keyPrefix: "00Q"
    fields:
      - {name: Key__c, type: string, length: 60, externalId: true, unique: true}
      - {name: FirstName, type: string, length: 40}
      - {name: LastName, type: string, length: 80}
      - {name: Email, type: email, length: 80}
      - {name: Phone, type: phone, length: 40}
      - {name: Street, type: string, length: 255}
      - {name: City, type: string, length: 80}
      - {name: Country, type: string, length: 80}
      - {name: Title, type: string, length: 80}
      - {name: Notes__c, type: string, length: 255}
`

// Header is the first line of a CSV of them, with its LF.
const Header = "Key__c,FirstName,LastName,Email,Phone,Street,City,Country,Title,Notes__c\n"

// rowBytes is the length of a row with its LF.
const rowBytes = 250

var words = strings.Fields("account agreed annual asked before budget called closing contract customer decision delivery demo details " +
	"discount evaluation follow forecast interested invoice later manager meeting monday new offer open order partner pending price " +
	"project proposal quarter quote renewal request review sales sent sign soon spring support team terms trial until upgrade wants week")

// Word draws a word.
func Word(random *rand.Rand) string { return words[random.IntN(len(words))] }

// CSV is a header and rows with LF line ends. Keys are numbered from first.
func CSV(first, rows int) []byte {
	b := make([]byte, 0, len(Header)+rows*rowBytes)
	b = append(b, Header...)
	for i := first; i < first+rows; i++ {
		random := rand.New(rand.NewPCG(1, uint64(i))) //nolint:gosec // an index is no negative number, and nothing here is a secret
		word := func() string { return Word(random) }
		from := len(b)
		b = fmt.Appendf(b, "key-%09d,%s,%s,%s.%d@mail.example,+49 30 %07d,%d %s Street,%s,Germany,%s,",
			i, word(), word(), word(), random.IntN(1e6), random.IntN(1e7), random.IntN(300), word(), word(), word())
		for len(b)-from < rowBytes-1 {
			b = append(append(b, word()...), ' ')
		}
		b = append(b[:from+rowBytes-1], '\n')
	}
	return b
}
