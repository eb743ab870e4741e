# shellcheck shell=bash
# How objects are deleted from versioned buckets: every version, and every delete marker. Sourced, never run.

# The versions and markers of a page, as `delete-objects` takes them, of keys that end in $1 (empty: of all).
page_query() {
  local each='.{Key: Key, VersionId: VersionId}' some=''
  [ -z "$1" ] || some="?ends_with(Key, '$1')"
  # shellcheck disable=SC2016  # the backticks are JMESPath's
  printf '{Objects: [Versions[%s]%s, DeleteMarkers[%s]%s][][], Quiet: `true`}' "$some" "$each" "$some" "$each"
}

# Deletes what the file $2 lists from the bucket $1; S3 answers 200 even where it refuses some of it.
delete_page() {
  local refused
  if grep -q '"Objects": \[\]' "$2"; then return 0; fi
  show aws s3api delete-objects --bucket "$1" --delete "file://$2"
  if $dry_run; then return 0; fi
  refused=$(aws s3api delete-objects --bucket "$1" --delete "file://$2" --query 'Errors[0].[Key,Code]' --output text)
  refused=$(some "$refused")
  if [ -n "$refused" ]; then
    printf >&2 'S3 refused to delete from %s: %s\n' "$1" "$refused"
    return 1
  fi
}

# Deletes all versions in the bucket $1 of keys that begin with $2 and end in $3, a page of a thousand at a time.
delete_versions() {
  local more key version place=()
  while true; do
    aws s3api list-object-versions --bucket "$1" --prefix "$2" --no-paginate ${place[@]+"${place[@]}"} \
      --query "$(page_query "$3")" --output json >"$scratch/page.json"
    IFS=$'\t' read -r more key version < <(aws s3api list-object-versions --bucket "$1" --prefix "$2" --no-paginate \
      ${place[@]+"${place[@]}"} --query '[IsTruncated, NextKeyMarker, NextVersionIdMarker]' --output text)
    delete_page "$1" "$scratch/page.json"
    [ "$more" = True ] || return 0
    place=(--key-marker "$key" --version-id-marker "$version")
  done
}

# The buckets whose names begin with $2 in the region $1: CloudFormation makes up the rest of a name.
buckets_in() {
  local bucket found where
  found=$(aws s3api list-buckets --query "Buckets[?starts_with(Name, '$2')].Name" --output text) || return 1
  for bucket in $found; do
    where=$(aws s3api get-bucket-location --bucket "$bucket" --query LocationConstraint --output text) || return 1
    if [ "$where" = None ]; then where=us-east-1; fi
    if [ "$where" = "$1" ]; then printf '%s\n' "$bucket"; fi
  done
}

delete_bucket() {
  delete_versions "$1" '' ''
  run aws s3api delete-bucket --bucket "$1"
}
