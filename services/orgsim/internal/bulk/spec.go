package bulk

import (
	"strings"

	"bulkhead/services/orgsim/internal/org"
)

// Spec is what a create request asks for.
type Spec struct {
	Object              string
	Operation           org.Operation
	ExternalIDFieldName string
	ContentType         string
	ColumnDelimiter     string
	LineEnding          string
	AssignmentRuleID    string
	Version             float64 // API version of the request
	User                string  // who creates the job, 18 characters; "" = the integration user
}

// delimiters maps the API's names to bytes.
var delimiters = map[string]byte{
	"COMMA": ',', "TAB": '\t', "PIPE": '|', "SEMICOLON": ';', "CARET": '^', "BACKQUOTE": '`',
}

// check fills in the defaults of a spec and refuses what a create request may not say.
func (s *Spec) check(model *org.Model, hardDelete bool) (*org.Object, error) {
	switch s.Operation {
	case org.Insert, org.Update, org.Upsert, org.Delete, org.HardDelete:
	default:
		return nil, invalidValue(string(s.Operation), "operation")
	}
	object := model.Object(s.Object)
	if object == nil || object.QueryOnly {
		return nil, refuse(400, "INVALIDJOB", "InvalidJob : Unable to find object: %s", s.Object)
	}
	if err := checkFormat(&s.ContentType, &s.ColumnDelimiter, &s.LineEnding); err != nil {
		return nil, err
	}
	if s.Operation == org.HardDelete && !hardDelete {
		return nil, refuse(400, "FEATURENOTENABLED",
			"FeatureNotEnabled : hardDelete operation requires special user profile permission, please contact your system administrator")
	}
	if s.Operation != org.Upsert {
		return object, nil
	}
	if s.ExternalIDFieldName == "" {
		return nil, refuse(400, "INVALIDJOB",
			"InvalidJob : External ID was blank for %s. An External ID must be specified for upsert.", object.Name)
	}
	if f := object.Field(s.ExternalIDFieldName); !strings.EqualFold(s.ExternalIDFieldName, "Id") && (f == nil || !f.ExternalID) {
		return nil, refuse(400, "INVALIDJOB",
			"InvalidJob : Field name provided, %s does not match an External ID for %s", s.ExternalIDFieldName, object.Name)
	}
	return object, nil
}

// checkFormat fills in and checks what a create request says about the CSV of a job.
func checkFormat(contentType, columnDelimiter, lineEnding *string) error {
	for _, member := range []struct {
		name, usual string
		value       *string
	}{{"contentType", "CSV", contentType}, {"columnDelimiter", "COMMA", columnDelimiter}, {"lineEnding", "LF", lineEnding}} {
		if *member.value == "" {
			*member.value = member.usual
		}
	}
	if *contentType != "CSV" {
		return invalidValue(*contentType, "contentType")
	}
	if _, ok := delimiters[*columnDelimiter]; !ok {
		return invalidValue(*columnDelimiter, "columnDelimiter")
	}
	if *lineEnding != "LF" && *lineEnding != "CRLF" {
		return invalidValue(*lineEnding, "lineEnding")
	}
	return nil
}

// assigned says whether assignment rules mean anything to a job: only cases and leads are assigned by rules, and only
// API versions from 49.0 on know the member.
func (s *Spec) assigned(object *org.Object) bool {
	return s.Version >= 49 && (object.Name == "Case" || object.Name == "Lead")
}
