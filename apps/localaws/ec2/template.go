package ec2

import (
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

type launchTemplate struct {
	meta
	ID        string    `xml:"launchTemplateId"`
	Name      string    `xml:"launchTemplateName"`
	Created   time.Time `xml:"createTime"`
	CreatedBy string    `xml:"createdBy"`
	Default   int       `xml:"defaultVersionNumber"`
	Latest    int       `xml:"latestVersionNumber"`

	versions []*templateVersion
}

type templateVersion struct {
	TemplateID  string       `xml:"launchTemplateId"`
	Name        string       `xml:"launchTemplateName"`
	Number      int          `xml:"versionNumber"`
	Description string       `xml:"versionDescription,omitempty"`
	Created     time.Time    `xml:"createTime"`
	CreatedBy   string       `xml:"createdBy"`
	IsDefault   bool         `xml:"defaultVersion"`
	Data        templateData `xml:"launchTemplateData"`
}

// templateData describes the instances to launch, in a request and in an answer.
type templateData struct {
	ImageId             string          `xml:"imageId,omitempty"`
	InstanceType        string          `xml:"instanceType,omitempty"`
	KeyName             string          `xml:"keyName,omitempty"`
	UserData            string          `xml:"userData,omitempty"`
	EbsOptimized        *bool           `xml:"ebsOptimized,omitempty"`
	SecurityGroupIds    []string        `query:"SecurityGroupId" xml:"securityGroupIdSet>item"`
	BlockDeviceMappings []blockDevice   `query:"BlockDeviceMapping" xml:"blockDeviceMappingSet>item"`
	MetadataOptions     *metadataOption `xml:"metadataOptions,omitempty"`
	Monitoring          *monitoring     `xml:"monitoring,omitempty"`
	TagSpecifications   []templateTags  `query:"TagSpecification" xml:"tagSpecificationSet>item"`
}

type blockDevice struct {
	DeviceName string `xml:"deviceName,omitempty"`
	Ebs        *ebs   `xml:"ebs,omitempty"`
}

type ebs struct {
	DeleteOnTermination *bool  `xml:"deleteOnTermination,omitempty"`
	Encrypted           *bool  `xml:"encrypted,omitempty"`
	Iops                *int   `xml:"iops,omitempty"`
	KmsKeyId            string `xml:"kmsKeyId,omitempty"`
	SnapshotId          string `xml:"snapshotId,omitempty"`
	Throughput          *int   `xml:"throughput,omitempty"`
	VolumeSize          *int   `xml:"volumeSize,omitempty"`
	VolumeType          string `xml:"volumeType,omitempty"`
}

type metadataOption struct {
	HttpEndpoint            string `xml:"httpEndpoint,omitempty"`
	HttpProtocolIpv6        string `xml:"httpProtocolIpv6,omitempty"`
	HttpPutResponseHopLimit *int   `xml:"httpPutResponseHopLimit,omitempty"`
	HttpTokens              string `xml:"httpTokens,omitempty"`
	InstanceMetadataTags    string `xml:"instanceMetadataTags,omitempty"`
}

type monitoring struct {
	Enabled bool `xml:"enabled"`
}

type templateTags struct {
	ResourceType string `xml:"resourceType"`
	Tag          []tag  `xml:"tagSet>item"`
}

const maxVersions = 10000

var templateName = regexp.MustCompile(`^[a-zA-Z0-9().\-/_]{3,128}$`)

type createLaunchTemplateInput struct {
	LaunchTemplateName, VersionDescription, ClientToken string
	LaunchTemplateData                                  *templateData
	tagging
	common
}

func createLaunchTemplate(c *call, in *createLaunchTemplateInput) (protocol.Elements, *protocol.Error) {
	tags, err := in.tags(templateKind)
	if err := first(err, c.allow(c.creates(templateKind, tags, nil))); err != nil {
		return nil, err
	}
	id, err := c.earlier(in.ClientToken)
	if err != nil {
		return nil, err
	}
	if t, again := get[*launchTemplate](c.Service, id); again {
		return protocol.Elements{"launchTemplate": t}, nil
	}
	switch {
	case !templateName.MatchString(in.LaunchTemplateName):
		return nil, refused("InvalidLaunchTemplateName.MalformedException",
			"A launch template name has 3 to 128 letters, digits and ().-/_: %q", in.LaunchTemplateName)
	case in.LaunchTemplateData == nil:
		return nil, missing("LaunchTemplateData")
	case c.templateNamed(in.LaunchTemplateName) != nil:
		return nil, refused("InvalidLaunchTemplateName.AlreadyExistsException", "Launch template name already in use: %s", in.LaunchTemplateName)
	}
	if err := templateKind.room(len(all[*launchTemplate](c.Service))); err != nil {
		return nil, err
	}
	t := &launchTemplate{meta: newMeta(templateKind, tags), Name: in.LaunchTemplateName, Created: c.now, CreatedBy: c.caller(), Default: 1}
	t.ID = t.id
	t.addVersion(c, in.VersionDescription, *in.LaunchTemplateData)
	c.add(t)
	c.remember(in.ClientToken, t.id)
	return protocol.Elements{"launchTemplate": t}, nil
}

// caller returns the ARN of the caller; the root user's if no permissions are
// enforced.
func (c *call) caller() string {
	if caller := access.Of(c.ctx).Caller; caller != nil {
		return caller.ARN
	}
	return "arn:aws:iam::" + c.account + ":root"
}

func (s *Service) templateNamed(name string) *launchTemplate {
	for _, t := range all[*launchTemplate](s) {
		if t.Name == name {
			return t
		}
	}
	return nil
}

func (t *launchTemplate) addVersion(c *call, description string, data templateData) *templateVersion {
	t.Latest++
	v := &templateVersion{
		TemplateID: t.id, Name: t.Name, Number: t.Latest, Description: description, Created: c.now, CreatedBy: c.caller(),
		IsDefault: t.Latest == t.Default, Data: data,
	}
	t.versions = append(t.versions, v)
	return v
}

// templateID refers to a launch template by one of the two.
type templateID struct{ LaunchTemplateId, LaunchTemplateName string }

// template returns the launch template that a call names, if it may do its action to it.
func (c *call) template(by templateID) (*launchTemplate, *protocol.Error) {
	named := c.templateNamed(by.LaunchTemplateName)
	id := by.LaunchTemplateId
	if named != nil && id == "" {
		id = named.id
	}
	on := c.on(templateKind, id)
	if id == "" {
		on = c.on(templateKind, "*")
	}
	if err := c.allow(on); err != nil {
		return nil, err
	}
	if id == "" && by.LaunchTemplateName != "" {
		return nil, noTemplateNamed(by.LaunchTemplateName)
	}
	return find[*launchTemplate](c.Service, templateKind, "launchTemplateId", id)
}

func noTemplateNamed(name string) *protocol.Error {
	return refused("InvalidLaunchTemplateName.NotFoundException", "The specified launch template, with template name %s, does not exist.",
		name)
}

type createLaunchTemplateVersionInput struct {
	templateID
	VersionDescription, ClientToken string
	LaunchTemplateData              *templateData
	common
}

func createLaunchTemplateVersion(c *call, in *createLaunchTemplateVersionInput) (protocol.Elements, *protocol.Error) {
	t, err := c.template(in.templateID)
	switch {
	case err != nil:
		return nil, err
	case in.LaunchTemplateData == nil:
		return nil, missing("LaunchTemplateData")
	case len(t.versions) >= maxVersions:
		return nil, refused("LaunchTemplateVersionLimitExceeded", "The maximum number of versions of %s has been reached: %d", t.id, maxVersions)
	}
	number, err := c.earlier(in.ClientToken)
	if err != nil {
		return nil, err
	}
	if v := t.version(number); v != nil {
		return protocol.Elements{"launchTemplateVersion": v}, nil
	}
	v := t.addVersion(c, in.VersionDescription, *in.LaunchTemplateData)
	c.remember(in.ClientToken, strconv.Itoa(v.Number))
	return protocol.Elements{"launchTemplateVersion": v}, nil
}

// version returns a version by its number, $Latest or $Default.
func (t *launchTemplate) version(name string) *templateVersion {
	switch name {
	case "$Latest":
		name = strconv.Itoa(t.Latest)
	case "$Default":
		name = strconv.Itoa(t.Default)
	}
	i := slices.IndexFunc(t.versions, func(v *templateVersion) bool { return strconv.Itoa(v.Number) == name })
	if i < 0 {
		return nil
	}
	return t.versions[i]
}

func (t *launchTemplate) noVersion(name string) *protocol.Error {
	return refused("InvalidLaunchTemplateId.VersionNotFound", "Could not find launch template version %s for launch template %s", name, t.id)
}

type modifyLaunchTemplateInput struct {
	templateID
	SetDefaultVersion, ClientToken string
	common
}

func modifyLaunchTemplate(c *call, in *modifyLaunchTemplateInput) (protocol.Elements, *protocol.Error) {
	t, err := c.template(in.templateID)
	if err != nil {
		return nil, err
	}
	to := t.version(in.SetDefaultVersion)
	if to == nil {
		return nil, t.noVersion(in.SetDefaultVersion)
	}
	t.Default = to.Number
	for _, v := range t.versions {
		v.IsDefault = v == to
	}
	return protocol.Elements{"launchTemplate": t}, nil
}

type deleteLaunchTemplateInput struct {
	templateID
	common
}

func deleteLaunchTemplate(c *call, in *deleteLaunchTemplateInput) (protocol.Elements, *protocol.Error) {
	t, err := c.template(in.templateID)
	if err != nil {
		return nil, err
	}
	c.remove(t.id)
	return protocol.Elements{"launchTemplate": t}, nil
}

type describeLaunchTemplatesInput struct {
	LaunchTemplateIds   []string `query:"LaunchTemplateId"`
	LaunchTemplateNames []string `query:"LaunchTemplateName"`
	describing
}

var templateAttributes = attributes[*launchTemplate]{
	"launch-template-name": one(func(t *launchTemplate) string { return t.Name }),
	"create-time":          one(func(t *launchTemplate) string { return t.Created.Format(time.RFC3339) }),
}

func describeLaunchTemplates(c *call, in *describeLaunchTemplatesInput) (protocol.Elements, *protocol.Error) {
	if len(in.LaunchTemplateNames) > 0 {
		in.Filter = append(in.Filter, filter{"launch-template-name", in.LaunchTemplateNames})
	}
	list, next, err := describe(c, templateKind, in.LaunchTemplateIds, in.describing, templateAttributes)
	if err != nil {
		return nil, err
	}
	for _, name := range in.LaunchTemplateNames {
		if c.templateNamed(name) == nil {
			return nil, noTemplateNamed(name)
		}
	}
	return described("launchTemplates", list, next), nil
}

type describeLaunchTemplateVersionsInput struct {
	templateID
	Versions []string `query:"LaunchTemplateVersion"`
	describing
}

func describeLaunchTemplateVersions(c *call, in *describeLaunchTemplateVersionsInput) (protocol.Elements, *protocol.Error) {
	if err := c.allow(); err != nil {
		return nil, err
	}
	t := c.templateNamed(in.LaunchTemplateName)
	if in.LaunchTemplateName == "" {
		var err *protocol.Error
		if t, err = find[*launchTemplate](c.Service, templateKind, "launchTemplateId", in.LaunchTemplateId); err != nil {
			return nil, err
		}
	}
	switch {
	case t == nil:
		return nil, noTemplateNamed(in.LaunchTemplateName)
	case len(in.Filter) > 0:
		return nil, unsupported("filters of DescribeLaunchTemplateVersions")
	case in.MaxResults != nil || in.NextToken != "":
		return nil, unsupported("pages of DescribeLaunchTemplateVersions")
	}
	versions := t.versions
	if len(in.Versions) > 0 {
		versions = nil
	}
	for _, name := range in.Versions {
		v := t.version(name)
		if v == nil {
			return nil, t.noVersion(name)
		}
		versions = append(versions, v)
	}
	return protocol.Elements{"launchTemplateVersionSet": items(versions)}, nil
}
