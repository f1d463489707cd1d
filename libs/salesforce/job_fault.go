package salesforce

import (
	"strings"

	"bulkhead/libs/record"
)

// JobFault is the error message of a job that failed as a whole, taken apart: "InvalidBatch : Field name not found : X".
type JobFault struct {
	// Code is the name before the first " : ", such as InvalidBatch; empty if there is none.
	Code string
	// Message is what follows, made safe for one line and cut.
	Message string
}

// jobFaultClasses are Salesforce's AsyncExceptionCodes by what must happen next.
var jobFaultClasses = map[string]record.Class{
	"InvalidSessionId": record.ClassAuth,
	"ExceededQuota":    record.ClassQuota,

	// The file or the job does not fit the org, for every row alike: a column or right is missing, or our own writing is wrong.
	"InvalidBatch":           record.ClassPermission,
	"ClientInputError":       record.ClassPermission,
	"InvalidJob":             record.ClassPermission,
	"InvalidOperation":       record.ClassPermission,
	"InvalidUser":            record.ClassPermission,
	"FeatureNotEnabled":      record.ClassPermission,
	"InvalidVersion":         record.ClassPermission,
	"UnsupportedContentType": record.ClassPermission,

	tooManyLockFailure:    record.ClassContention,
	"InternalServerError": record.ClassTransient,
	"Timeout":             record.ClassTransient,
	"Unknown":             record.ClassTransient,
}

// ParseJobFault takes the ErrorMessage of a failed job apart.
func ParseJobFault(errorMessage string) JobFault {
	code, message, found := strings.Cut(errorMessage, ":")
	code = strings.TrimSpace(code)
	if _, known := jobFaultClasses[code]; !found || (!known && !apiName.MatchString(code)) {
		return JobFault{Message: clip(strings.TrimSpace(errorMessage), maxMessageRunes)}
	}
	return JobFault{Code: code, Message: clip(strings.TrimSpace(message), maxMessageRunes)}
}

// Class is what must happen next; unclassified for a code that is not known.
func (f JobFault) Class() record.Class {
	if class, ok := jobFaultClasses[f.Code]; ok {
		return class
	}
	return record.ClassUnclassified
}

// RefusedWhole says that the file was refused before any row was tried. With empty result files every row of such a job is unprocessed.
func (f JobFault) RefusedWhole() bool {
	return f.Code == "InvalidBatch" || f.Code == "ClientInputError"
}
