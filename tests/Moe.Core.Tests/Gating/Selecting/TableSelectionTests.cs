using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Experts by token id: hash layers (Roller et al. 2021).</summary>
public sealed class TableSelectionTests
{
    [Theory]
    [InlineData(1, 4, 1)]
    [InlineData(10, 4, 1)]
    [InlineData(6, 4, 2)]
    [InlineData(23, 5, 3)]
    [InlineData(40, 8, 8)]
    [InlineData(3, 8, 2)]
    public void A_fresh_table_names_every_expert_equally_often_and_none_twice_for_a_token(int vocabulary, int experts, int topK)
    {
        foreach (var seed in Enumerable.Range(1, 5))
        {
            using var generator = new Generator((ulong)seed);
            using var gate = new GatingNetwork(PublishedGates.Hash(4, experts, vocabulary, topK), generator);

            gate.Table!.shape.Should().Equal(vocabulary, topK);
            var rows = Compare.Longs(gate.Table).Chunk(topK).ToArray();
            rows.Should().OnlyContain(row => row.Distinct().Count() == topK && row.All(e => e >= 0 && e < experts));
            var counts = Enumerable.Range(0, experts).Select(e => rows.Sum(row => row.Count(entry => entry == e))).ToArray();
            (counts.Max() - counts.Min()).Should().BeLessThanOrEqualTo(1);
        }
    }

    [Fact]
    public void The_table_comes_from_the_generator_and_is_part_of_the_state()
    {
        using var first = new Generator(5);
        using var second = new Generator(5);
        using var left = new GatingNetwork(PublishedGates.Hash(4, 4, 50), first);
        using var right = new GatingNetwork(PublishedGates.Hash(4, 4, 50), second);
        using var other = new GatingNetwork(PublishedGates.Hash(4, 4, 50), first);

        Compare.SameBits(left.Table!, right.Table!);
        Compare.Bits(other.Table!).Should().NotEqual(Compare.Bits(left.Table!));
        left.state_dict().Should().ContainKey("table");
        left.to(ScalarType.BFloat16);
        left.Table!.dtype.Should().Be(ScalarType.Int64);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Tokens_go_where_the_table_sends_them_with_the_weights_of_the_scores(int topK)
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(PublishedGates.Hash(5, 5, 30, topK));
        var z = Make.Normal(1, 2, 6, 5);
        var ids = randint(0, 30, [2, 6]);
        using var decision = gate.Route(z, new RoutingContext { TokenIds = ids });

        var table = Compare.Longs(gate.Table!).Chunk(topK).ToArray();
        var expected = Compare.Longs(ids).Select(id => table[id]).ToArray();
        Compare.Longs(decision.Indices).Should().Equal(expected.SelectMany(row => row));
        var scores = Direct.Rows(z.reshape(-1, 5).sigmoid());
        var weights = expected.SelectMany((row, t) => row.Select(e => topK == 1 ? scores[t][e] : scores[t][e] / row.Sum(other => scores[t][other])));
        Compare.Close(decision.Weights, tensor(weights.ToArray()).reshape(12, topK), 1e-14);
    }

    [Fact]
    public void A_schedule_lowers_K_to_the_first_columns()
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(PublishedGates.Hash(5, 5, 30, topK: 3));
        var ids = arange(30, dtype: ScalarType.Int64);

        gate.TopK = 2;

        Compare.SameBits(gate.Route(Make.Normal(1, 30, 5), new RoutingContext { TokenIds = ids }).Indices, gate.Table!.narrow(1, 0, 2).contiguous());
    }

    [Fact]
    public void Ids_out_of_range_are_refused_with_their_number()
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(PublishedGates.Hash(5, 5, 30));
        var context = new RoutingContext { TokenIds = tensor(new long[] { 0, 30, -1, 29, long.MaxValue }) };

        gate.Invoking(g => g.Route(Make.Normal(1, 5, 5), context)).Should().Throw<ArgumentException>()
            .WithMessage("Expected token ids and forced experts in range, no expert twice in a row, got 3 entries that are not.");
    }

    [Fact]
    public void Ids_of_padding_may_be_anything()
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(PublishedGates.Hash(5, 5, 30));
        using var decision = gate.Route(
            Make.Normal(1, 4, 5), new RoutingContext { TokenIds = tensor(new long[] { 3, -100, 4, 1000 }), Mask = Make.Mask(1, 0, 1, 0) });

        decision.Assigned.Sum().Should().Be(2);
    }

    [Fact]
    public void Missing_ids_are_refused()
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(PublishedGates.Hash(5, 5, 30));

        gate.Invoking(g => g.Route(Make.Normal(1, 4, 5))).Should().Throw<ArgumentException>()
            .WithMessage("Expected TokenIds, which this gate chooses by, got none.");
    }

    [Fact]
    public void Ids_of_the_wrong_shape_or_type_are_refused()
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(PublishedGates.Hash(5, 5, 30));
        void Route(Tensor ids) => gate.Route(Make.Normal(1, 4, 5), new RoutingContext { TokenIds = ids });

        FluentActions.Invoking(() => Route(zeros(3, dtype: ScalarType.Int64))).Should().Throw<ArgumentException>()
            .WithMessage("Expected TokenIds of shape [4] and type Int64, got [3] of Int64.*");
        FluentActions.Invoking(() => Route(zeros(4, dtype: ScalarType.Int32))).Should().Throw<ArgumentException>()
            .WithMessage("Expected TokenIds of shape [4] and type Int64, got [4] of Int32.*");
    }

    [Fact]
    public void A_pass_hands_the_ids_to_the_layers()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(PublishedGates.Hash(4, 4, 30));
        var ids = tensor(new long[] { 7, 7, 8 });
        using var pass = new RoutingPass { TokenIds = ids };
        using var output = layer.forward(Make.Normal(1, 3, 4), pass);

        Compare.SameBits(pass.Layers[0].Decision.Indices, layer.Network.Table!.index_select(0, ids));
    }
}
