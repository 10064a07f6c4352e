"""Amazon's SDK for Python against the demo's S3 and user pool.

It reads the output of `usher demo --serve --json` from standard input, and
prints one verdict per line: {"check", "ok", "why"}.
"""
import io, json, sys, time, traceback

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

facts = json.load(sys.stdin)
BUCKET = "company-reports"
POOL = facts["user_pool_id"]
CLIENT = facts["client_id"]


def client(service, endpoint, **config):
    # The timeout ends the wait for a missing response.
    return boto3.client(
        service, endpoint_url=endpoint, region_name=facts["region"],
        aws_access_key_id=facts["s3_access_key"], aws_secret_access_key=facts["s3_secret_key"],
        config=Config(read_timeout=10, retries={"max_attempts": 1}, **config))


s3 = client("s3", facts["s3_endpoint"], s3={"addressing_style": "path"})
idp = client("cognito-idp", facts["cognito_endpoint"])
CHECKS = []


def check(name):
    def add(run):
        CHECKS.append((name, run))
        return run
    return add


def same(have, want):
    if have != want:
        raise AssertionError(f"{have!r}, want {want!r}")


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as e:
        same(e.response["Error"]["Code"], code)
        return e.response
    raise AssertionError(f"accepted, want {code}")


def put(key, body=b"body", **more):
    return s3.put_object(Bucket=BUCKET, Key=key, Body=body, **more)


def head(key):
    return s3.head_object(Bucket=BUCKET, Key=key)


@check("writes/empty body")
def _():
    put("judge/nothing", io.BytesIO())  # a file object, for which this client expects 100 Continue
    same(head("judge/nothing")["ContentLength"], 0)


@check("writes/metadata")
def _():
    put("judge/metadata", Metadata={"some-key": "v"})
    same(head("judge/metadata")["Metadata"], {"some-key": "v"})


@check("writes/encryption")
def _():
    same(put("judge/plain")["ServerSideEncryption"], "AES256")
    put("judge/kms", ServerSideEncryption="aws:kms", SSEKMSKeyId="k")
    same(head("judge/kms")["ServerSideEncryption"], "aws:kms")
    key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": b"k" * 32}
    put("judge/customer", **key)
    same(s3.get_object(Bucket=BUCKET, Key="judge/customer", **key)["Body"].read(), b"body")
    refused("InvalidRequest", s3.get_object, Bucket=BUCKET, Key="judge/customer")


@check("writes/refused")
def _():
    refused("AccessControlListNotSupported", put, key="judge/acl", ACL="public-read")
    refused("InvalidStorageClass", put, key="judge/class", StorageClass="NOPE")
    refused("InvalidRequest", put, key="judge/lock", ObjectLockLegalHoldStatus="ON", ContentMD5="hBotaJrYa9FhFEdFPCLG9A==")
    refused("AccessDenied", put, key="judge/owner", ExpectedBucketOwner="111111111111")


@check("writes/tags")
def _():
    put("judge/tags", Tagging="a=1&b=two%20words")
    tags = s3.get_object_tagging(Bucket=BUCKET, Key="judge/tags")["TagSet"]
    same(tags, [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "two words"}])
    s3.put_bucket_tagging(Bucket="builds", Tagging={"TagSet": [{"Key": "c", "Value": "3"}]})
    same(s3.get_bucket_tagging(Bucket="builds")["TagSet"], [{"Key": "c", "Value": "3"}])
    s3.delete_bucket_tagging(Bucket="builds")
    refused("NoSuchTagSet", s3.get_bucket_tagging, Bucket="builds")


@check("writes/parts")
def _():
    mib = 1 << 20
    body = bytes(range(256)) * (12 * mib // 256)
    split = TransferConfig(multipart_threshold=5 * mib, multipart_chunksize=5 * mib)
    s3.upload_fileobj(io.BytesIO(body), BUCKET, "judge/parts", Config=split)
    s3.copy({"Bucket": BUCKET, "Key": "judge/parts"}, BUCKET, "judge/copy", Config=split)  # uses UploadPartCopy
    same(head("judge/copy")["ETag"][-3:], '-3"')
    same(s3.get_object(Bucket=BUCKET, Key="judge/copy")["Body"].read() == body, True)


@check("bucket/configuration")
def _():
    for name, code in {
        "policy": "NoSuchBucketPolicy", "policy_status": "NoSuchBucketPolicy", "cors": "NoSuchCORSConfiguration",
        "lifecycle_configuration": "NoSuchLifecycleConfiguration", "website": "NoSuchWebsiteConfiguration",
        "replication": "ReplicationConfigurationNotFoundError", "tagging": "NoSuchTagSet",
    }.items():
        refused(code, getattr(s3, "get_bucket_" + name), Bucket=BUCKET)
    for name in ("accelerate_configuration", "acl", "encryption", "location", "logging", "notification_configuration",
                 "ownership_controls", "request_payment", "versioning"):
        getattr(s3, "get_bucket_" + name)(Bucket=BUCKET)
    block = s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"]
    same(set(block.values()), {True})
    same(s3.get_object_acl(Bucket=BUCKET, Key="annual/letter.pdf")["Grants"][0]["Permission"], "FULL_CONTROL")
    same({v["VersionId"] for v in s3.list_object_versions(Bucket=BUCKET)["Versions"]}, {"null"})


def versions(bucket, **more):
    return s3.list_object_versions(Bucket=bucket, Prefix="judge/", **more)


@check("versions/list")
def _():
    s3.create_bucket(Bucket="judge-versions")
    bucket = {"Bucket": "judge-versions"}
    s3.put_object(Key="judge/v", Body=b"zero", **bucket)
    s3.put_bucket_versioning(VersioningConfiguration={"Status": "Enabled"}, **bucket)
    same(s3.get_bucket_versioning(**bucket)["Status"], "Enabled")
    ids = [s3.put_object(Key="judge/v", Body=body, **bucket)["VersionId"] for body in (b"one", b"two")]
    rows = versions("judge-versions")["Versions"]
    same([(v["VersionId"], v["IsLatest"], v["Size"]) for v in rows], [(ids[1], True, 3), (ids[0], False, 3), ("null", False, 4)])
    # Pages of one version join up to the same list, and the paginator knows the markers.
    pages = s3.get_paginator("list_object_versions").paginate(PaginationConfig={"PageSize": 1}, **bucket)
    same([v["VersionId"] for p in pages for v in p.get("Versions", [])], [ids[1], ids[0], "null"])


@check("versions/read")
def _():
    bucket = {"Bucket": "judge-versions", "Key": "judge/v"}
    for v, body in zip(versions("judge-versions")["Versions"], (b"two", b"one", b"zero"), strict=True):
        got = s3.get_object(VersionId=v["VersionId"], **bucket)
        same((got["VersionId"], got["Body"].read(), got["ETag"]), (v["VersionId"], body, v["ETag"]))
        same(s3.head_object(VersionId=v["VersionId"], **bucket)["ContentLength"], len(body))
    refused("InvalidArgument", s3.get_object, VersionId="nothing", **bucket)
    refused("NoSuchVersion", s3.get_object, VersionId="A" * 32, **bucket)


@check("versions/delete")
def _():
    bucket = {"Bucket": "judge-versions", "Key": "judge/v"}
    gone = s3.delete_object(**bucket)
    same(gone["DeleteMarker"], True)
    refused("NoSuchKey", s3.get_object, **bucket)
    refused("405", s3.head_object, VersionId=gone["VersionId"], **bucket)
    page = versions("judge-versions")
    same([(m["VersionId"], m["IsLatest"]) for m in page["DeleteMarkers"]], [(gone["VersionId"], True)])
    same([v["IsLatest"] for v in page["Versions"]], [False] * 3)
    same(s3.get_object(VersionId="null", **bucket)["Body"].read(), b"zero")
    s3.delete_object(VersionId=gone["VersionId"], **bucket)  # without the marker, the object is back
    same(s3.get_object(**bucket)["Body"].read(), b"two")
    refused("InvalidRequest", s3.copy_object, CopySource="judge-versions/judge/v", **bucket)
    copied = s3.copy_object(CopySource={"Bucket": "judge-versions", "Key": "judge/v", "VersionId": "null"}, **bucket)
    same((copied["CopySourceVersionId"], s3.get_object(**bucket)["Body"].read()), ("null", b"zero"))


@check("bucket/changes")
def _():
    refused("NotImplemented", s3.put_bucket_policy, Bucket=BUCKET, Policy="{}")
    refused("AccessControlListNotSupported", s3.put_bucket_acl, Bucket=BUCKET, ACL="public-read")


def restored(key):
    end = time.monotonic() + 30
    while 'ongoing-request="true"' in head(key).get("Restore", ""):
        if time.monotonic() > end:
            raise AssertionError("the restoration did not finish")
        time.sleep(0.2)
    return head(key)["Restore"]


@check("archive/restore")
def _():
    put("judge/archive", StorageClass="GLACIER")
    same(head("judge/archive")["StorageClass"], "GLACIER")
    refused("InvalidObjectState", s3.get_object, Bucket=BUCKET, Key="judge/archive")
    request = {"Days": 2, "GlacierJobParameters": {"Tier": "Standard"}}
    s3.restore_object(Bucket=BUCKET, Key="judge/archive", RestoreRequest=request)
    same(head("judge/archive")["Restore"], 'ongoing-request="true"')
    refused("RestoreAlreadyInProgress", s3.restore_object, Bucket=BUCKET, Key="judge/archive", RestoreRequest=request)
    if 'ongoing-request="false", expiry-date="' not in restored("judge/archive"):
        raise AssertionError(head("judge/archive")["Restore"])
    same(s3.get_object(Bucket=BUCKET, Key="judge/archive")["Body"].read(), b"body")


@check("archive/refused")
def _():
    put("judge/warm")
    refused("InvalidObjectState", s3.restore_object, Bucket=BUCKET, Key="judge/warm", RestoreRequest={"Days": 1})
    put("judge/deep", StorageClass="DEEP_ARCHIVE")
    refused("InvalidObjectState", s3.copy_object, Bucket=BUCKET, Key="judge/thawed", CopySource=BUCKET + "/judge/deep")


@check("owner/pool and client")
def _():
    same([p["Id"] for p in idp.list_user_pools(MaxResults=5)["UserPools"]], [POOL])
    same(idp.describe_user_pool(UserPoolId=POOL)["UserPool"]["Id"], POOL)
    clients = [c["ClientId"] for c in idp.list_user_pool_clients(UserPoolId=POOL, MaxResults=5)["UserPoolClients"]]
    same((len(clients), CLIENT in clients), (3, True))
    same(idp.describe_user_pool_client(UserPoolId=POOL, ClientId=CLIENT)["UserPoolClient"]["ClientId"], CLIENT)
    refused("ResourceNotFoundException", idp.describe_user_pool, UserPoolId=facts["region"] + "_Nope")


@check("owner/groups")
def _():
    idp.create_group(UserPoolId=POOL, GroupName="judges", Description="of tools")
    idp.update_group(UserPoolId=POOL, GroupName="judges", Precedence=3)
    group = idp.get_group(UserPoolId=POOL, GroupName="judges")["Group"]
    same((group["Description"], group["Precedence"]), ("of tools", 3))
    idp.admin_add_user_to_group(UserPoolId=POOL, Username="ada", GroupName="judges")
    idp.delete_group(UserPoolId=POOL, GroupName="judges")
    groups = idp.admin_list_groups_for_user(UserPoolId=POOL, Username="ada")["Groups"]
    same([g["GroupName"] for g in groups], ["finance-team"])
    refused("ResourceNotFoundException", idp.get_group, UserPoolId=POOL, GroupName="judges")


@check("owner/attributes")
def _():
    idp.admin_update_user_attributes(UserPoolId=POOL, Username="ada", UserAttributes=[{"Name": "name", "Value": "Ada"}])
    attributes = idp.admin_get_user(UserPoolId=POOL, Username="ada")["UserAttributes"]
    same({"Name": "name", "Value": "Ada"} in attributes, True)
    idp.admin_delete_user_attributes(UserPoolId=POOL, Username="ada", UserAttributeNames=["name"])
    refused("InvalidParameterException", idp.admin_update_user_attributes, UserPoolId=POOL, Username="ada",
            UserAttributes=[{"Name": "custom:no", "Value": "x"}])
    same([u["Username"] for u in idp.list_users(UserPoolId=POOL, Filter='email ^= "al"')["Users"]], ["alan"])


@check("owner/MFA")
def _():
    token = {"Enabled": True}
    same(idp.get_user_pool_mfa_config(UserPoolId=POOL)["MfaConfiguration"], "OPTIONAL")
    idp.set_user_pool_mfa_config(UserPoolId=POOL, MfaConfiguration="ON", SoftwareTokenMfaConfiguration=token)
    same(idp.get_user_pool_mfa_config(UserPoolId=POOL)["MfaConfiguration"], "ON")
    idp.set_user_pool_mfa_config(UserPoolId=POOL, MfaConfiguration="OPTIONAL", SoftwareTokenMfaConfiguration=token)
    off = {"Enabled": False, "PreferredMfa": False}
    idp.admin_set_user_mfa_preference(UserPoolId=POOL, Username="alan", SoftwareTokenMfaSettings=off)
    same("UserMFASettingList" in idp.admin_get_user(UserPoolId=POOL, Username="alan"), False)
    refused("InvalidParameterException", idp.admin_set_user_mfa_preference, UserPoolId=POOL, Username="ada",
            SoftwareTokenMfaSettings={"Enabled": True, "PreferredMfa": True})


@check("owner/passwords")
def _():
    def mailed():
        with open(facts["mail_file"]) as f:
            return json.loads(f.readlines()[-1])
    idp.admin_reset_user_password(UserPoolId=POOL, Username="ada")
    same(idp.admin_get_user(UserPoolId=POOL, Username="ada")["UserStatus"], "RESET_REQUIRED")
    idp.confirm_forgot_password(ClientId=CLIENT, Username="ada", ConfirmationCode=mailed()["code"], Password="Brand-new-8x")
    same(idp.admin_get_user(UserPoolId=POOL, Username="ada")["UserStatus"], "CONFIRMED")
    same(idp.forgot_password(ClientId=CLIENT, Username="grace")["CodeDeliveryDetails"]["DeliveryMedium"], "EMAIL")
    refused("CodeMismatchException", idp.confirm_forgot_password, ClientId=CLIENT, Username="grace",
            ConfirmationCode="x", Password="Brand-new-8x")
    refused("NotAuthorizedException", idp.admin_reset_user_password, UserPoolId=POOL, Username="edsger")


for name, run in CHECKS:
    why = ""
    try:
        run()
    except Exception as e:  # becomes the verdict of this check
        why = f"{type(e).__name__}: {e}\n{traceback.format_exc(limit=-2)}"
    print(json.dumps({"check": name, "ok": why == "", "why": why}), flush=True)
