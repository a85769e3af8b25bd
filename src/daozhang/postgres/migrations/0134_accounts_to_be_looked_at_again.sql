-- A frozen account whose review has come is found without walking over all users.
create index users_to_review on users (shop_id, standing_review_at) where standing = 'frozen';
