-- How the providers answer: since when one has only refused or been silent, so that a person is told when that lasts.

create table provider_hearing (
  shop_id bigint not null references shops,
  purpose text not null check (purpose in ('sms', 'email', 'face', 'identity', 'supplier')),
  troubled_since timestamptz,
  troubles integer not null default 0 check (troubles >= 0),
  newest uuid,
  said text not null default '' check (length(said) <= 32),
  good_at timestamptz,
  primary key (shop_id, purpose),
  check ((troubled_since is null) = (troubles = 0)),
  check ((troubled_since is null) = (newest is null))
);
comment on column provider_hearing.troubled_since is 'the first refusal or silence after its last good answer; null while it answers well';

grant select, insert on provider_hearing to daozhang_app;
grant update (troubled_since, troubles, newest, said, good_at) on provider_hearing to daozhang_app;
