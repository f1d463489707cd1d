package pipeline

import (
	"slices"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml/ast"
)

// readOperation reads what is done to the org, and by which field rows are found or matched.
func (d *Definition) readOperation(f *fields) {
	if _, ok := f.nodes["operation"]; !ok {
		f.known = append(f.known, "operation")
		f.r.fail(f.line, "operation is missing: one of %s", strings.Join(operations, ", "))
		f.take("externalId")
		f.take("correlation")
		return
	}
	before := len(f.r.problems)
	d.Operation = f.choice("operation", "", operations)
	if len(f.r.problems) > before {
		// Which of the two belongs to it nobody knows.
		f.take("externalId")
		f.take("correlation")
		return
	}
	if d.Operation == OperationInsert {
		d.readCorrelation(f)
		return
	}
	line := f.lineOf("correlation")
	if f.take("correlation") != nil {
		f.r.fail(line, "correlation is for insert: the rows of an %s are matched by externalId, so leave it out", d.Operation)
	}
	what := "the API name of the external id field"
	if d.Operation != OperationUpsert {
		what = "Id, or the API name of a unique field by which the rows are found"
	}
	line = f.lineOf("externalId")
	d.ExternalID = f.required("externalId", apiName, what)
	switch {
	case !strings.EqualFold(d.ExternalID, FieldID):
	case d.Operation == OperationUpsert:
		f.r.fail(line, "externalId: an upsert by Id never makes a row: say operation: update, or name an external id field")
	case d.ExternalID != FieldID:
		f.r.fail(line, "externalId: the org writes %s, not %s", FieldID, d.ExternalID)
	}
}

// readCorrelation reads by what the result rows of an insert are matched.
func (d *Definition) readCorrelation(f *fields) {
	line := f.lineOf("externalId")
	if f.take("externalId") != nil {
		f.r.fail(line, "externalId: an insert looks for no row: name the unique field by which its result rows are matched as correlation")
	}
	line = f.lineOf("correlation")
	if _, ok := f.nodes["correlation"]; !ok {
		f.known = append(f.known, "correlation")
		f.r.fail(f.line, "correlation is missing: name the unique field by which a result row is matched to its record, or say correlation: %s and accept "+
			"that a record whose result is lost stays unresolved until a person decides", CorrelationContent)
		return
	}
	d.Correlation = f.required("correlation", apiName, "the API name of a unique field, or "+CorrelationContent)
	switch {
	case d.Correlation == CorrelationContent:
		f.r.warn(line, "correlation: %s: a record whose result is lost cannot be looked up; it stays unresolved until a person decides", CorrelationContent)
	case strings.EqualFold(d.Correlation, CorrelationContent):
		f.r.fail(line, "correlation: %s is no field that could be unique: write %s in small letters to match by content", d.Correlation, CorrelationContent)
	case strings.EqualFold(d.Correlation, FieldID):
		f.r.fail(line, "correlation: the Id of a new row is given by Salesforce: name a unique field that the records fill")
	}
}

// readVersion reads what orders the records of an entity, and how much each of them says.
func (d *Definition) readVersion(f *fields) (versionLine, recordsLine int) {
	if text, line, ok := f.text("version"); ok {
		versionLine = line
		d.Version = f.r.path(text, line, "version")
		if d.Operation == OperationInsert {
			f.r.fail(line, "version: an insert makes a row of each record, so no record is a version of another: leave it out")
		}
	}
	recordsLine = f.lineOf("records")
	d.Whole = f.choice("records", RecordsPatch, []string{RecordsPatch, RecordsWhole}) == RecordsWhole
	if d.Whole && (d.Operation == OperationInsert || Deletes(d.Operation)) {
		f.r.fail(recordsLine, "records: %s is for upsert and update: the records of %s clear nothing, so leave it out", RecordsWhole, d.Operation)
	}
	return versionLine, recordsLine
}

// Bounds of what is written for people, and of dependencies.
const (
	maxPeopleText = 200
	maxDependsOn  = 32
)

// readPeople reads who answers for the pipeline, and which others it depends on.
func (d *Definition) readPeople(f *fields) {
	d.Owner, d.Contact = f.people("owner"), f.people("contact")
	line, _ := f.list("dependsOn", func(n ast.Node) {
		name, ok := f.r.scalar(n, "dependsOn")
		switch at := line(n); {
		case !ok:
		case !pipelineName.MatchString(name):
			f.r.fail(at, "dependsOn: %q is no name of a pipeline", cutName(name))
		case name == d.Name:
			f.r.fail(at, "dependsOn: a pipeline cannot depend on itself")
		case slices.Contains(d.DependsOn, name):
			f.r.fail(at, "dependsOn names %s twice", name)
		default:
			d.DependsOn = append(d.DependsOn, name)
		}
	})
	if len(d.DependsOn) > maxDependsOn {
		f.r.fail(line, "dependsOn names %d pipelines, at most %d are allowed", len(d.DependsOn), maxDependsOn)
	}
}

// people reads a short text for people.
func (f *fields) people(key string) string {
	text, line, ok := f.text(key)
	if !ok {
		return ""
	}
	switch {
	case strings.TrimSpace(text) == "":
		f.r.fail(line, "%s is blank: say who answers for the pipeline, or leave it out", key)
	case len(text) > maxPeopleText:
		f.r.fail(line, "%s has %d bytes, at most %d are allowed", key, len(text), maxPeopleText)
	case strings.ContainsFunc(text, unicode.IsControl):
		f.r.fail(line, "%s holds a control character: write it on one line", key)
	}
	return text
}
