using System.Globalization;

namespace Moe.Training.Tests;

public sealed class CsvSinkTests : IDisposable
{
    private const string Head = "epoch,steps,loss,task_loss,balance,validation_task_loss,validation_balance,accuracy,"
        + "moe.entropy,moe.max_over_mean,moe.dropped_share,moe.dead_experts,moe.logit_norm,moe.weight_margin,tokens_per_second,seconds,is_best";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void An_epoch_is_a_row_under_a_header_and_can_be_read_at_once()
    {
        var sink = new CsvSink(_folder.File("new/folder/run.csv"));
        sink.OnStarted(Reports.Plan());
        sink.OnEpoch(Reports.Epoch(0));

        Lines(sink).Should().Equal(Head, $"0,10,0.5,0.25,1.5,0.75,1.25,0.875,{Invariant(Math.Log(2))},1.5,0.25,1,3.5,0.125,1234.5,0.5,true");
        sink.OnEpoch(Reports.Epoch(1));
        Lines(sink).Should().HaveCount(3).And.HaveElementAt(2, $"1,20,0.5,0.25,1.5,0.75,1.25,0.875,{Invariant(Math.Log(2))},1.5,0.25,1,3.5,0.125,1234.5,1.5,false");
    }

    [Fact]
    public void A_second_balance_loss_has_columns_for_its_value_its_lambda_and_its_validation()
    {
        var sink = new CsvSink(_folder.File("run.csv"));
        sink.OnStarted(Reports.Plan());
        sink.OnEpoch(Reports.Epoch(0));
        sink.OnEpoch(Reports.EpochWithTerm(1));

        Lines(sink)[0].Should().StartWith("epoch,steps,loss,task_loss,balance,router_z,router_z.lambda,validation_task_loss,validation_balance,validation_router_z,accuracy,moe.");
        Lines(sink)[1].Should().StartWith("0,10,0.5,0.25,1.5,,,0.75,1.25,,0.875,");
        Lines(sink)[2].Should().StartWith("1,20,0.5,0.25,1.5,2.5,0.0625,0.75,1.25,2.25,0.875,");
    }

    [Fact]
    public void A_row_that_comes_while_the_file_is_open_for_reading_is_not_refused()
    {
        var sink = new CsvSink(_folder.File("run.csv"));
        sink.OnStarted(Reports.Plan());
        sink.OnEpoch(Reports.Epoch(0));
        using var reader = new StreamReader(new FileStream(sink.FilePath, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        reader.ReadToEnd();

        sink.OnEpoch(Reports.Epoch(1));

        reader.ReadToEnd().Should().StartWith("1,20,").And.EndWith("false\n");
    }

    [Fact]
    public void The_culture_of_the_thread_does_not_matter()
    {
        var before = CultureInfo.CurrentCulture;
        CultureInfo.CurrentCulture = new CultureInfo("") { NumberFormat = { NumberDecimalSeparator = ",", NegativeSign = "~" } };
        try
        {
            var sink = new CsvSink(_folder.File("run.csv"));
            sink.OnStarted(Reports.Plan(Reports.Epoch(0)));
            Lines(sink)[1].Should().StartWith("0,10,0.5,0.25,1.5,");
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }

    [Fact]
    public void A_resumed_training_has_each_epoch_once()
    {
        var first = new CsvSink(_folder.File("run.csv"));
        first.OnStarted(Reports.Plan());
        for (var epoch = 0; epoch < 4; epoch++)
            first.OnEpoch(Reports.Epoch(epoch));

        // The last checkpoint was that after epoch 1.
        var second = new CsvSink(_folder.File("run.csv"));
        second.OnStarted(Reports.Plan(Reports.Epoch(0), Reports.Epoch(1)));
        Lines(second).Should().HaveCount(3);
        second.OnEpoch(Reports.Epoch(2));

        Lines(second)[0].Should().Be(Head);
        Lines(second).Skip(1).Select(line => line.Split(',')[0]).Should().Equal("0", "1", "2");
    }

    [Fact]
    public void Names_with_commas_quotes_and_line_breaks_are_quoted()
    {
        var sink = new CsvSink(_folder.File("run.csv"));
        sink.OnStarted(Reports.Plan(Reports.Epoch(0, mixture: "a,b", metric: "say \"x\"\nloud")));

        var text = File.ReadAllText(sink.FilePath);
        text.Should().Contain(",\"say \"\"x\"\"\nloud\",\"a,b.entropy\",\"a,b.max_over_mean\",\"a,b.dropped_share\",\"a,b.dead_experts\",\"a,b.logit_norm\",\"a,b.weight_margin\",tokens_per_second");
    }

    [Fact]
    public void What_an_epoch_lacks_is_empty_and_columns_that_come_later_are_added_for_all()
    {
        var sink = new CsvSink(_folder.File("run.csv"));
        sink.OnStarted(Reports.Plan());
        sink.OnEpoch(Reports.Epoch(0, mixture: null, metric: null) with { Loss = double.NaN });
        Lines(sink)[1].Should().Be("0,10,NaN,0.25,1.5,,,1234.5,0.5,true");

        sink.OnEpoch(Reports.Epoch(1));

        Lines(sink)[0].Should().Be(Head);
        Lines(sink)[1].Should().Be("0,10,NaN,0.25,1.5,,,,,,,,,,1234.5,0.5,true");
        Lines(sink).Should().HaveCount(3);
    }

    [Fact]
    public void A_whole_training_writes_what_its_result_says()
    {
        using var model = Make.Classifier();
        var data = Make.Clusters();
        var sink = new CsvSink(_folder.File("run.csv"));

        var result = new Trainer(model, Make.AdamW(), TaskLosses.CrossEntropy, new TrainerOptions { Epochs = 3, Metrics = [Metric.Accuracy] }, sink).Fit(data, data);

        var rows = Lines(sink).Skip(1).Select(line => line.Split(',')).ToArray();
        Lines(sink)[0].Should().Be(Head.Replace("moe.", "0.", StringComparison.Ordinal));
        rows.Select(row => row[3]).Should().Equal(result.Epochs.Select(epoch => Invariant(epoch.TaskLoss)));
        rows.Select(row => row[7]).Should().Equal(result.Epochs.Select(epoch => Invariant(epoch.Validation!.Metrics["accuracy"])));
    }

    [Fact]
    public void A_file_without_a_name_and_null_are_refused()
    {
        FluentActions.Invoking(() => new CsvSink(" ")).Should().Throw<ArgumentException>().WithParameterName("path");
        var sink = new CsvSink(_folder.File("run.csv"));
        sink.Invoking(s => s.OnStarted(null!)).Should().Throw<ArgumentNullException>();
        sink.Invoking(s => s.OnEpoch(null!)).Should().Throw<ArgumentNullException>();
    }

    private static string[] Lines(CsvSink sink) => File.ReadAllLines(sink.FilePath);

    private static string Invariant(double value) => value.ToString(CultureInfo.InvariantCulture);
}
