using CsCheck;
using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>A trace says who went where, survives a file to the bit, and can be replayed.</summary>
public sealed class RoutingTraceTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("moe-trace-").FullName;

    public static TheoryData<string> Ways => ["top-k", "top-3 of 8", "dense", "before selection", "by chance", "expert choice", "threshold", "capacity", "capacity by probability", "null experts"];

    private string File => Path.Combine(_folder, "trace.jsonl");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void It_says_who_was_sent_where_and_what_became_of_it()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options(experts: 2, topK: 1) with { Capacity = new() { Fixed = 1 } });
        using (no_grad())
            gate.Weight.copy_(tensor(new double[] { 1, 0, 0, 0, -1, 0, 0, 0 }, 2, 4));
        var x = tensor(new double[] { 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, -1, 0, 0, 0 }, 4, 4);

        var layer = RoutingTrace.From(gate.Route(x, Make.Mask(0, 1, 1, 1))).Layers.Should().ContainSingle().Subject;

        (layer.Name, layer.ExpertCount, layer.TopK, layer.TokenCount).Should().Be(("0", 2, 1, 4));
        layer.States.Should().Equal(TracedState.Padding, TracedState.Kept, TracedState.Dropped, TracedState.Kept);
        layer.Experts.Skip(1).Should().Equal(0, 0, 1);
        layer.Weights.Should().Equal(0, 1, 0, 1);
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void Replayed_from_a_file_through_several_layers_it_gives_the_same_choices_weights_and_outputs_to_the_bit(string way)
    {
        using var scope = NewDisposeScope();
        using var model = Model(way);
        var x = Make.Normal(5, 3, 6, 4);
        var mask = Make.Mask([.. Enumerable.Range(0, 18).Select(token => token is 4 or 5 or 17 ? 0 : 1)]).reshape(3, 6);
        using var first = new RoutingPass(mask);
        var expected = model.forward(x, first);
        RoutingTrace.From(first, model).Save(File);

        using var second = new RoutingPass(mask) { Replay = RoutingTrace.Load(File) };
        var actual = model.forward(x, second);

        Compare.SameBits(actual, expected, "the output");
        foreach (var (before, after) in first.Layers.Zip(second.Layers))
        {
            Compare.SameBits(after.Decision.Indices, before.Decision.Indices, "the choice");
            Compare.SameBits(after.Decision.Weights, before.Decision.Weights, "the weights");
            Compare.SameBits(after.Decision.Kept, before.Decision.Kept, "what was kept");
            after.Decision.Assigned.Should().Equal(before.Decision.Assigned);
        }
        if (way is "by chance" or "expert choice" or "threshold")
            RoutingTrace.From(first).Layers.Should().OnlyContain(layer => layer.States.Contains(TracedState.Declined));
        if (way.StartsWith("capacity", StringComparison.Ordinal))
            RoutingTrace.From(first).Layers.Should().OnlyContain(layer => layer.States.Contains(TracedState.Dropped));
    }

    [Fact]
    public void Replayed_by_other_gates_it_gives_the_same_choices_with_weights_of_their_own()
    {
        using var scope = NewDisposeScope();
        using var model = Model("top-k");
        using var other = Model("top-k", seed: 50);
        var x = Make.Normal(5, 6, 4);
        using var first = new RoutingPass();
        model.forward(x, first);
        using var free = new RoutingPass();
        other.forward(x, free);

        using var forced = new RoutingPass { Replay = RoutingTrace.From(first) };
        other.forward(x, forced);

        for (var layer = 0; layer < 2; layer++)
        {
            var (traced, replayed) = (first.Layers[layer].Decision, forced.Layers[layer].Decision);
            Compare.SameBits(replayed.Indices, traced.Indices, "the choice");
            Compare.Close(replayed.Weights, replayed.Logits.gather(1, traced.Indices).softmax(-1), 1e-14, "the weights");
            Compare.Distance(replayed.Weights, traced.Weights).Should().BeGreaterThan(1e-3);
        }
        Compare.Longs(free.Layers[0].Decision.Indices).Should().NotEqual(Compare.Longs(first.Layers[0].Decision.Indices), "the other gate would choose differently");
    }

    [Fact]
    public void Mixtures_inside_experts_are_replayed_in_their_turn()
    {
        using var scope = NewDisposeScope();
        var inner = Make.Layer(Make.Options(experts: 3, topK: 1) with { Selection = new StochasticSelection() }, 2);
        using var layer = Make.Filled(
            new MixtureOfExperts(new GatingNetwork(Make.Options(experts: 2), dtype: ScalarType.Float64), [new LinearExpert(4, 4, dtype: ScalarType.Float64), inner]), 3);
        using var after = Make.Layer(Make.Options(), 4);
        using var model = new RoutedSequential(layer, after);
        var x = Make.Normal(5, 9, 4);
        using var first = new RoutingPass();
        var expected = model.forward(x, first);
        var trace = RoutingTrace.From(first, model);
        using var second = new RoutingPass { Replay = trace };

        Compare.SameBits(model.forward(x, second), expected);

        trace.Layers.Select(traced => traced.Name).Should().Equal("0", "0.experts.1", "1");
        second.Layers.Select(routing => routing.Layer).Should().Equal(layer, inner, after);
    }

    [Fact]
    public void Weights_of_a_replay_learn()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options());
        var x = Make.Normal(5, 6, 4);
        using var pass = new RoutingPass();
        layer.forward(x, pass);
        using var replay = new RoutingPass { Replay = RoutingTrace.From(pass) };

        layer.forward(x, replay).square().sum().backward();

        layer.Network.Weight.grad!.abs().sum().item<double>().Should().BePositive();
    }

    [Fact]
    public void A_replay_with_other_tokens_other_experts_or_more_layers_than_were_traced_is_refused()
    {
        using var scope = NewDisposeScope();
        using var model = Model("top-k");
        using var first = new RoutingPass();
        model.forward(Make.Normal(5, 6, 4), first);
        var trace = RoutingTrace.From(first, model);
        using var layer = Make.Layer(Make.Options());
        using var wider = Make.Layer(Make.Options(experts: 5));
        using var fewer = new RoutingPass { Replay = trace };
        using var longer = new RoutingPass { Replay = trace };
        using var deeper = new RoutingPass { Replay = trace };
        model.forward(Make.Normal(5, 6, 4), deeper);

        model.Invoking(m => m.forward(Make.Normal(5, 7, 4), longer)).Should().Throw<ArgumentException>().WithMessage("*6 tokens*layer 0 (0)*[7, 4]*");
        layer.Invoking(l => l.forward(Make.Normal(5, 6, 4), deeper)).Should().Throw<ArgumentException>().WithMessage("*layer from 0 to 1*got 2*");
        wider.Invoking(l => l.forward(Make.Normal(5, 6, 4), fewer)).Should().Throw<ArgumentException>().WithMessage("*5 experts, got layer 0 (0) with 4*");
        trace.Invoking(t => t.ForcedIndices(-1, Make.Normal(5, 6, 4))).Should().Throw<ArgumentException>();
    }

    [Fact]
    public void A_file_is_a_line_about_the_trace_one_a_layer_and_one_a_token()
    {
        var text = new StringWriter();
        Trace(new TracedLayer("blocks.0.moe", 4, 2, [1, 3, 0, 2], [0.75, 0.25, 0.1, 0], [TracedState.Kept, TracedState.Kept, TracedState.Kept, TracedState.Dropped])).Save(text);

        text.ToString().Should().Be(string.Join('\n',
            """{"format":"moe-routing-trace","version":1,"layers":1}""",
            """{"layer":"blocks.0.moe","experts":4,"tokens":2,"choices":2}""",
            """{"experts":[1,3],"weights":[0.75,0.25],"states":["kept","kept"]}""",
            """{"experts":[0,2],"weights":[0.1,0],"states":["kept","dropped"]}""",
            ""));
    }

    [Fact]
    public void Any_trace_comes_back_to_the_last_bit()
    {
        var layers =
            from name in Gen.String
            from experts in Gen.Int[1, 6]
            from choices in Gen.Int[1, experts]
            from tokens in Gen.Int[1, 5]
            from rows in Gen.Shuffle(Enumerable.Range(0, experts).ToArray()).Array[tokens]
            from weights in Gen.Double.Array[tokens * choices]
            from states in Gen.Enum<TracedState>().Array[tokens * choices]
            select new TracedLayer(Valid(name), experts, choices, [.. rows.SelectMany(row => row.Take(choices))], weights, states);

        layers.Array[0, 3].Sample(traced =>
        {
            var text = new StringWriter();
            Trace(traced).Save(text);
            var back = RoutingTrace.Load(new StringReader(text.ToString()));
            return back.Layers.Zip(traced, Same).All(same => same) && back.Layers.Count == traced.Length;
        }, iter: 300);
    }

    [Fact]
    public void Weights_that_are_no_numbers_are_kept_for_whoever_looks_for_them()
    {
        var text = new StringWriter();
        Trace(new TracedLayer("0", 3, 3, [0, 1, 2], [double.NaN, double.NegativeInfinity, -0.0], [TracedState.Kept, TracedState.Kept, TracedState.Kept])).Save(text);

        var weights = RoutingTrace.Load(new StringReader(text.ToString())).Layers[0].Weights;

        weights.Select(BitConverter.DoubleToInt64Bits).Should().Equal(new[] { double.NaN, double.NegativeInfinity, -0.0 }.Select(BitConverter.DoubleToInt64Bits));
    }

    [Theory]
    [InlineData(0, "", 1, "ends too early")]
    [InlineData(1, "not json", 1, "")]
    [InlineData(1, """{"format":"other","version":1,"layers":1}""", 1, "Expected format")]
    [InlineData(1, """{"format":"moe-routing-trace","version":2,"layers":1}""", 1, "version 1")]
    [InlineData(1, """{"format":"moe-routing-trace","version":1,"layers":2}""", 5, "ends too early")]
    [InlineData(1, """{"format":"moe-routing-trace","version":1,"layers":0}""", 2, "Expected the end")]
    [InlineData(1, """{"format":"moe-routing-trace","version":1,"layers":-1}""", 1, "Layers = -1")]
    [InlineData(2, """{"layer":"a","experts":4,"tokens":3,"choices":2}""", 5, "ends too early")]
    [InlineData(2, """{"layer":"a","experts":4,"tokens":1,"choices":2}""", 4, "Expected the end")]
    [InlineData(2, """{"layer":null,"experts":4,"tokens":2,"choices":2}""", 2, "Layer")]
    [InlineData(2, """{"layer":"a","experts":0,"tokens":2,"choices":2}""", 2, "at least one expert")]
    [InlineData(2, """{"layer":"a","experts":4,"tokens":2147483647,"choices":2}""", 2, "memory")]
    [InlineData(2, """{"layer":"a","experts":4,"tokens":2e10,"choices":2}""", 2, "tokens")]
    [InlineData(2, """{"layer":"a","experts":4,"tokens":2}""", 2, "choices")]
    [InlineData(2, """{"layer":"a","experts":4,"tokens":2,"choices":2,"more":1}""", 2, "more")]
    [InlineData(3, "null", 3, "null")]
    [InlineData(3, "", 3, "")]
    [InlineData(3, """{"experts":[1,3],"weights":[0.75,0.25],"states":["kept","ke""", 3, "")]
    [InlineData(3, """{"experts":[1,4],"weights":[0.75,0.25],"states":["kept","kept"]}""", 3, "experts from 0 to 3, got 1, 4")]
    [InlineData(3, """{"experts":[1,-1],"weights":[0.75,0.25],"states":["kept","kept"]}""", 3, "experts from 0 to 3")]
    [InlineData(3, """{"experts":[1,1],"weights":[0.75,0.25],"states":["kept","dropped"]}""", 3, "no expert taken twice")]
    [InlineData(3, """{"experts":[1],"weights":[0.75,0.25],"states":["kept","kept"]}""", 3, "got 1, 2 and 2")]
    [InlineData(3, """{"experts":[1,3],"weights":[0.75],"states":["kept","kept"]}""", 3, "got 2, 1 and 2")]
    [InlineData(3, """{"experts":[1,3],"weights":[0.75,0.25],"states":["kept"]}""", 3, "got 2, 2 and 1")]
    [InlineData(3, """{"experts":[1,3],"weights":[0.75,0.25],"states":["kept","lost"]}""", 3, "states")]
    [InlineData(3, """{"experts":[1,3],"weights":[0.75,0.25],"states":["kept",0]}""", 3, "states")]
    [InlineData(3, """{"experts":[1,3],"weights":null,"states":["kept","kept"]}""", 3, "Weights")]
    [InlineData(5, "{}", 5, "Expected the end")]
    public void A_broken_file_is_refused_with_line_and_reason(int replaced, string by, int line, string reason)
    {
        List<string> lines =
        [
            """{"format":"moe-routing-trace","version":1,"layers":1}""",
            """{"layer":"a","experts":4,"tokens":2,"choices":2}""",
            """{"experts":[1,3],"weights":[0.75,0.25],"states":["kept","kept"]}""",
            """{"experts":[0,2],"weights":[0.1,0],"states":["kept","dropped"]}""",
        ];
        System.IO.File.WriteAllLines(File, lines);
        RoutingTrace.Load(File).Layers.Should().ContainSingle();
        if (replaced == 0)
            lines = [];
        else if (replaced > lines.Count)
            lines.Add(by);
        else
            lines[replaced - 1] = by;
        System.IO.File.WriteAllLines(File, lines);

        FluentActions.Invoking(() => RoutingTrace.Load(File)).Should().Throw<InvalidDataException>().WithMessage($"{File}, line {line}: *{reason}*");
    }

    [Fact]
    public void A_file_cut_off_anywhere_is_refused()
    {
        var text = new StringWriter();
        Trace(new TracedLayer("a", 2, 1, [0, 1], [1, 0.5], [TracedState.Kept, TracedState.Kept]), new TracedLayer("b", 2, 1, [1], [1], [TracedState.Kept])).Save(text);
        var whole = text.ToString();

        for (var length = 0; length < whole.Length - 1; length++)
        {
            var part = whole[..length];
            FluentActions.Invoking(() => RoutingTrace.Load(new StringReader(part))).Should().Throw<InvalidDataException>("{0} of {1} characters are there", length, whole.Length);
        }
        RoutingTrace.Load(new StringReader(whole[..^1])).Layers.Should().HaveCount(2, "only the last line break is missing");
    }

    [Fact]
    public void What_is_not_there_is_refused()
    {
        FluentActions.Invoking(() => RoutingTrace.Load(Path.Combine(_folder, "none"))).Should().Throw<FileNotFoundException>();
        FluentActions.Invoking(() => RoutingTrace.Load(" ")).Should().Throw<ArgumentException>();
        FluentActions.Invoking(() => RoutingTrace.Load((TextReader)null!)).Should().Throw<ArgumentNullException>();
        FluentActions.Invoking(() => Trace().Save((TextWriter)null!)).Should().Throw<ArgumentNullException>();
        FluentActions.Invoking(() => Trace().Save("")).Should().Throw<ArgumentException>();
    }

    [Fact]
    public void Tracing_and_replaying_leave_nothing_alive()
    {
        using var model = Model("capacity");
        using var x = Make.Normal(5, 6, 4);
        LiveTensors.After(() =>
        {
            using var scope = NewDisposeScope();
            using var pass = new RoutingPass();
            model.forward(x, pass);
            using var replay = new RoutingPass { Replay = RoutingTrace.From(pass, model) };
            model.forward(x, replay);
        }).Should().Be(0);
    }

    private static RoutingTrace Trace(params TracedLayer[] layers) => new(layers);

    private static bool Same(TracedLayer left, TracedLayer right) =>
        left.Name == right.Name && left.ExpertCount == right.ExpertCount && left.TopK == right.TopK
        && left.Experts.SequenceEqual(right.Experts) && left.States.SequenceEqual(right.States)
        && left.Weights.Select(BitConverter.DoubleToInt64Bits).SequenceEqual(right.Weights.Select(BitConverter.DoubleToInt64Bits));

    /// <summary>Half a surrogate pair is no text that a file could hold.</summary>
    private static string Valid(string name) => new([.. name.Where(letter => !char.IsSurrogate(letter))]);

    private static RoutedSequential Model(string way, int seed = 1)
    {
        var options = way switch
        {
            "top-3 of 8" => Make.Options(experts: 8, topK: 3),
            "dense" => Make.Options(experts: 3, topK: 3),
            "before selection" => Make.Options() with { Softmax = SoftmaxOrder.BeforeSelection, Renormalize = true, SelectionBias = true },
            "by chance" => Make.Options() with { Selection = new StochasticSelection { Threshold = 1.5 } },
            "expert choice" => Make.Options() with { Selection = new ExpertChoiceSelection(), Softmax = SoftmaxOrder.BeforeSelection },
            "threshold" => Make.Options(experts: 4, topK: 3) with { Selection = new ThresholdSelection { Threshold = 0.25 } },
            "capacity" => Make.Options() with { Capacity = new() { Factor = 0.6 } },
            "capacity by probability" => Make.Options() with { Capacity = new() { Factor = 0.6, Overflow = Overflow.Probability, RenormalizeKept = true } },
            _ => Make.Options(),
        };
        return way == "null experts"
            ? new RoutedSequential([.. Enumerable.Range(0, 2).Select(layer => WithNullExpert(seed + layer))])
            : new RoutedSequential(Make.Layer(options, seed), Make.Layer(options, seed + 1));
    }

    private static MixtureOfExperts WithNullExpert(int seed)
    {
        var gate = new GatingNetwork(Make.Options(experts: 3) with { NullExperts = 1 }, dtype: ScalarType.Float64);
        return Make.Filled(new MixtureOfExperts(gate, [.. StackedExperts.FeedForward(2, Make.FeedForward(), dtype: ScalarType.Float64), new ZeroExpert(4, 4)]), seed);
    }
}
