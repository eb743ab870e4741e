# shellcheck shell=bash
# Which arguments deploy.sh takes, what they look like, and which of them go together. Sourced, never run.

region='' cluster='' account='' context='' directory='' identity=auto
kubecost_version='' kubecost_url='' spot_data_feed=''
bill_table='' bill_location='' without_bill=false
image='' platforms=''
metrics_namespace='' alarm_topic='' daily_cost_limit=''
checks_rights=true collects_alone=false

usage() {
  cat <<'TEXT'
Usage: infra/deploy.sh --cluster NAME [option …]

Where
  --cluster NAME            the EKS cluster
  --region REGION           its region; the AWS CLI's unless given
  --account ID              stop unless the AWS CLI speaks for this account
  --context NAME            reach the cluster by this context of kubectl's configuration
  --directory DIR           where the cluster's manifests are written; ./chargeback-NAME unless given
  --identity WAY            irsa or pod-identity: how pods get their roles; what the cluster has unless given

Kubecost, one of
  --kubecost-version V      install this version of the chart cost-analyzer; 2.8.4 unless given
  --spot-data-feed S3       and let it read the account's Spot data feed, s3://bucket/prefix
  --kubecost-url URL        take the Kubecost or OpenCost that is there

The bill; a Cost and Usage Report of our own is created unless you give one of
  --cur-table DB.TABLE      take this table of Glue
  --cur-location S3         with --cur-table: let `chargeback publish` keep that table over the export in this folder
  --without-bill            no bill: all cost stays estimated

The lake
  --collect-alone           another cluster of this region keeps the ledger: collect only, without rights on Athena

The image, one of
  --image IMAGE             take this image
  --platforms LIST          build for these; linux/amd64,linux/arm64 unless given

Watching
  --metrics-namespace NAME  publish figures to CloudWatch in this namespace, with alarms
  --alarm-topic ARN         SNS topic that hears of alarms
  --daily-cost-limit N      a day that costs more than this is an alarm

How
  --skip-rights-check       do not simulate your rights in IAM
  --dry-run                 print every command, change nothing
  --yes                     ask nothing
  --help                    show this

Exit codes: 0 done; 1 a step failed, or the answer was no; 2 something is missing or wrong, and nothing was changed.
TEXT
}

# Options that take a value: the variable of each.
variable_of() {
  case $1 in
    --cluster) printf cluster ;;
    --region) printf region ;;
    --account) printf account ;;
    --context) printf context ;;
    --directory) printf directory ;;
    --identity) printf identity ;;
    --kubecost-version) printf kubecost_version ;;
    --kubecost-url) printf kubecost_url ;;
    --spot-data-feed) printf spot_data_feed ;;
    --cur-table) printf bill_table ;;
    --cur-location) printf bill_location ;;
    --image) printf image ;;
    --platforms) printf platforms ;;
    --metrics-namespace) printf metrics_namespace ;;
    --alarm-topic) printf alarm_topic ;;
    --daily-cost-limit) printf daily_cost_limit ;;
  esac
}

set_option() {
  case $1 in
    --without-bill) without_bill=true ;;
    --collect-alone) collects_alone=true ;;
    --skip-rights-check) checks_rights=false ;;
    --dry-run) dry_run=true ;;
    --yes) yes=true ;;
    *) lacks "an option that exists: \"$1\" is none; see --help." ;;
  esac
}

read_arguments() {
  local variable
  while [ $# -gt 0 ]; do
    case $1 in -h | --help) usage && exit 0 ;; esac
    variable=$(variable_of "$1")
    if [ -z "$variable" ]; then
      set_option "$1"
      shift
    elif [ $# -eq 1 ] || [ -z "$2" ] || is_like "$2" '--.*'; then
      lacks "$1: a value after it."
      shift
    else
      printf -v "$variable" '%s' "$2"
      shift 2
    fi
  done
}

lacks_unless_like() { # the option, its value, the pattern, what it should be
  [ -z "$2" ] || is_like "$2" "$3" || lacks "$1: \"$2\" is not $4."
}

check_forms() {
  local place='s3://[a-z0-9][a-z0-9.-]+(/[^"]*)?'
  lacks_unless_like --identity "$identity" 'auto|irsa|pod-identity' 'irsa or pod-identity'
  lacks_unless_like --kubecost-version "$kubecost_version" '[0-9]+(\.[0-9]+)+([-+].*)?' 'a version such as 2.8.4'
  lacks_unless_like --kubecost-url "$kubecost_url" \
    'https?://[A-Za-z0-9.-]+(:[0-9]+)?(/[^"[:space:]]*)?' 'a URL such as http://HOST:9090'
  lacks_unless_like --spot-data-feed "$spot_data_feed" "$place" 's3://bucket/prefix'
  lacks_unless_like --cur-table "$bill_table" '[a-z0-9_]+\.[a-z0-9_]+' 'a table of Glue, database.table'
  lacks_unless_like --cur-location "$bill_location" "$place" 's3://bucket/prefix'
  lacks_unless_like --image "$image" '[A-Za-z0-9][A-Za-z0-9._:/@-]*' 'an image'
  lacks_unless_like --platforms "$platforms" 'linux/[a-z0-9/]+(,linux/[a-z0-9/]+)*' \
    'a list such as linux/amd64,linux/arm64'
  lacks_unless_like --metrics-namespace "$metrics_namespace" '[A-Za-z0-9._/#:-]{1,255}' 'a namespace of CloudWatch'
  lacks_unless_like --alarm-topic "$alarm_topic" 'arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:.+' 'the ARN of an SNS topic'
  lacks_unless_like --daily-cost-limit "$daily_cost_limit" '[0-9]+(\.[0-9]+)?' 'an amount'
}

# What goes only with something else, or never with it.
check_combinations() {
  if [ -n "$kubecost_url" ] && [ -n "$kubecost_version$spot_data_feed" ]; then
    lacks '--kubecost-url takes a Kubecost that is there: leave --kubecost-version and --spot-data-feed out.'
  fi
  if $without_bill && [ -n "$bill_table$bill_location" ]; then
    lacks '--without-bill: leave --cur-table and --cur-location out.'
  fi
  if $collects_alone && { $without_bill || [ -n "$bill_table$bill_location" ]; }; then
    lacks '--collect-alone asks no bill: leave --cur-table, --cur-location and --without-bill out.'
  fi
  if [ -n "$bill_location" ] && [ -z "$bill_table" ]; then
    lacks '--cur-location: the table that is to lie over it, by --cur-table.'
  fi
  if [ -n "$image" ] && [ -n "$platforms" ]; then
    lacks '--image takes an image that is there: leave --platforms out.'
  fi
  if [ -z "$metrics_namespace" ] && [ -n "$alarm_topic$daily_cost_limit" ]; then
    lacks '--alarm-topic and --daily-cost-limit: a --metrics-namespace, from which alarms learn.'
  fi
}
