//! Rows that stay: with them an `INSERT`, or a `PutItem` on the condition that there is none, of a row that is there is
//! refused, as `DynamoDB` refuses it.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

/// Makes claims real: what to give to [`crate::Stub::twist`]. Rows that were put or inserted stay.
pub fn keep_rows() -> impl FnMut(&str, &Json, &mut Json) -> u16 + Send + 'static {
    let mut rows = BTreeSet::new();
    move |operation, request, answer| match operation.split('(').next() {
        Some("dynamodb:PutItem") => put(&mut rows, request, answer),
        Some("dynamodb:BatchExecuteStatement") => execute(&mut rows, request, answer),
        _ => 200,
    }
}

fn put(rows: &mut BTreeSet<String>, request: &Json, answer: &mut Json) -> u16 {
    let key = format!("{:?} {:?}", request.pointer("/Item/pk"), request.pointer("/Item/sk"));
    let condition = request.get("ConditionExpression").and_then(Json::as_str).unwrap_or_default();
    if rows.insert(key) || !condition.starts_with("attribute_not_exists") {
        return 200;
    }
    *answer = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
        "message": "The conditional request failed",
    });
    400
}

fn execute(rows: &mut BTreeSet<String>, request: &Json, answer: &mut Json) -> u16 {
    let statements = request.get("Statements").and_then(Json::as_array).into_iter().flatten();
    let answers = answer.get_mut("Responses").and_then(Json::as_array_mut).into_iter().flatten();
    for (statement, answer) in statements.zip(answers) {
        if inserted(statement).is_some_and(|key| !rows.insert(key)) {
            *answer = json!({"Error": {"Code": "DuplicateItem", "Message": "Duplicate primary key exists in table"}});
        }
    }
    200
}

/// The key of the row that a statement inserts.
fn inserted(statement: &Json) -> Option<String> {
    let text = statement.get("Statement")?.as_str()?.strip_prefix("INSERT ")?;
    let mut names = text.split('\'').skip(1).step_by(2);
    let parameters = statement.get("Parameters")?.as_array()?;
    let value = |wanted: &str| names.clone().position(|name| name == wanted).and_then(|at| parameters.get(at));
    let key = format!("{:?} {:?}", value("pk"), value("sk"));
    names.next().map(|_| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put_one(condition: &str) -> Json {
        json!({"Item": {"pk": {"S": "acme"}, "sk": {"S": "1"}}, "ConditionExpression": condition})
    }

    #[test]
    fn a_row_that_is_there_is_not_put_a_second_time_on_the_condition_that_there_is_none() {
        let mut twist = keep_rows();
        let mut asked = |condition| twist("dynamodb:PutItem(ledger)", &put_one(condition), &mut json!({}));
        let statuses = [asked("attribute_not_exists(pk)"), asked("attribute_not_exists(pk)"), asked("")];
        assert_eq!(statuses, [200, 400, 200]);
    }

    #[test]
    fn a_row_that_is_there_is_not_inserted_a_second_time_and_the_others_are() {
        let mut twist = keep_rows();
        let insert = |sk: &str| json!({"Statement": "INSERT INTO \"t\" VALUE {'pk':?,'sk':?}", "Parameters": [{"S": "acme"}, {"S": sk}]});
        let mut asked = |keys: [&str; 2]| {
            let mut answer = json!({"Responses": [{}, {}]});
            let request = json!({"Statements": keys.map(insert)});
            assert_eq!(twist("dynamodb:BatchExecuteStatement(ledger)", &request, &mut answer), 200);
            [0, 1].map(|at: usize| answer["Responses"][at]["Error"]["Code"].as_str().map(str::to_owned))
        };
        assert_eq!(asked(["1", "2"]), [None, None]);
        assert_eq!(asked(["3", "2"]), [None, Some("DuplicateItem".to_owned())]);
    }
}
