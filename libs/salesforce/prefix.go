package salesforce

import "strings"

// keyPrefixes are the first three characters of the ids of standard objects, which are the same in every org.
var keyPrefixes = map[string]string{
	"account": "001", "contact": "003", "user": "005", "opportunity": "006", "lead": "00Q", "task": "00T", "event": "00U",
	"case": "500", "campaign": "701", "contract": "800", "order": "801", "product2": "01t", "pricebook2": "01s", "pricebookentry": "01u",
}

// KeyPrefix is how ids of an object begin, as far as that is the same in every org: three characters for common standard objects, the letter a
// for custom ones (whose other two differ from org to org). It is false for an object of which nothing is known.
func KeyPrefix(object string) (string, bool) {
	name := strings.ToLower(object)
	if strings.HasSuffix(name, "__c") {
		return "a", true
	}
	prefix, ok := keyPrefixes[name]
	return prefix, ok
}
