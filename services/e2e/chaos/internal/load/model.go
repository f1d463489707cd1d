package load

import (
	"fmt"
	"strings"
)

// Values by which the org's own rules refuse a row.
const (
	forbidden  = "forbidden"    // a validation rule
	throws     = "throws"       // a trigger
	takenTwin  = "taken twin"   // a duplicate rule: a row that was always there has it
	takenNo    = "taken serial" // a unique field: a row that was always there has it
	lockedMark = "locked"       // rows that nobody may change
	longest    = 80             // characters of a text
)

// Model is the object model of the org, as the simulator reads it.
func Model() []byte {
	var b strings.Builder
	b.WriteString("objects:\n")
	done := map[string]bool{}
	for _, p := range all() {
		if !done[p.Object] {
			done[p.Object] = true
			b.WriteString(p.model())
		}
	}
	return []byte(b.String())
}

func (p pipeline) model() string {
	var b strings.Builder
	fmt.Fprintf(&b, "  - name: %s\n    keyPrefix: %q\n    fields:\n", p.Object, p.prefix)
	unique := func(name string) {
		fmt.Fprintf(&b, "      - {name: %s, type: string, length: %d, externalId: true, unique: true}\n", name, longest)
	}
	text := func(names ...string) {
		for _, name := range names {
			fmt.Fprintf(&b, "      - {name: %s, type: string, length: %d}\n", name, longest)
		}
	}
	rules := ""
	switch p.Name {
	case parts, dated:
		unique(extField)
		text(stampField, "A__c", "B__c", "C__c", "D__c", "E__c", "Price_Stamp__c", "Source__c", twinField)
		rules = p.refusals()
	case orders:
		unique("Request__c")
		fmt.Fprintf(&b, "      - {name: Name__c, type: string, length: %d, required: true}\n", longest)
		text("A__c", twinField)
		rules = p.refusals()
	case labels:
		unique(extField)
		text(stateField)
	case visits:
		text("Place__c", "Kind__c")
	case phones, levels:
		unique(extField)
		text(stampField, "A__c", "B__c", stateField)
		fmt.Fprintf(&b, "    locked: old.%s == %q\n", stateField, lockedMark)
	case removals:
		unique(extField)
		text("A__c")
	case children:
		unique(extField)
		text(stampField, "A__c", "Source__c")
		b.WriteString("      - {name: Parent__c, type: reference, referenceTo: Part__c, relationshipName: Parent__r}\n")
	}
	return b.String() + rules
}

// refusals are the fields and rules of an object by which a row can be refused in each class.
func (p pipeline) refusals() string {
	return fmt.Sprintf(`      - {name: %s, type: email}
      - {name: %s, type: string, length: %d, unique: true}
    validations:
      - name: nothing_forbidden
        refuse: new.A__c == %q
        message: "This value is forbidden"
        fields: [A__c]
    duplicateRules:
      - {name: Same_Twin, match: [%s], action: block}
    triggers:
      - name: Throw
        on: [insert, update]
        refuse: new.A__c == %q
        error: "System.DmlException: thrown by a trigger"
`, mailField, serialField, longest, forbidden, twinField, throws)
}
