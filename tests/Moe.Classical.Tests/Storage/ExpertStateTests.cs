using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class ExpertStateTests
{
    [Fact]
    public void Settings_come_back_as_they_were()
    {
        using var state = new ExpertState("k").Set("inf", double.PositiveInfinity).Set("kind", ResponseKind.Count).Set("none", (string?)null).Set("list", new[] { 1.5, -2 });
        state.Get<double>("inf").Should().Be(double.PositiveInfinity);
        state.Get<ResponseKind>("kind").Should().Be(ResponseKind.Count);
        state.Get<string?>("none").Should().BeNull();
        state.Get<double[]>("list").Should().Equal(1.5, -2);
    }

    [Fact]
    public void What_is_not_there_or_of_another_type_or_shape_is_told()
    {
        using var scope = NewDisposeScope();
        using var state = new ExpertState("k").Set("a", "text").Add("t", ones(2, 3));
        FluentActions.Invoking(() => state.Get<int>("b")).Should().Throw<ArgumentException>().WithMessage("*\"k\" has no setting called b*");
        FluentActions.Invoking(() => state.Get<int>("a")).Should().Throw<ArgumentException>().WithMessage("*text*Int32*");
        FluentActions.Invoking(() => state.GetTensor("t", 3, -1)).Should().Throw<ArgumentException>().WithMessage("*[2, 3]*[3, -1]*");
        FluentActions.Invoking(() => state.Child("c")).Should().Throw<ArgumentException>().WithMessage("*no part called c*");
        FluentActions.Invoking(() => state.Set("t", 1)).Should().Throw<ArgumentException>().WithMessage("*already has a t*");
        state.GetTensor("t", 2, -1).shape.Should().Equal(2, 3);
    }

    [Fact]
    public void Tensors_are_copies_both_ways_and_survive_the_scope()
    {
        ExpertState state;
        using (NewDisposeScope())
        {
            var tensor = ones(2);
            state = new ExpertState("k").Add("t", tensor);
            tensor.zero_();
            state.GetTensor("t").zero_();
        }
        using (state)
        using (var copy = state.GetTensor("t"))
            copy.sum().item<float>().Should().Be(2);
    }

    [Fact]
    public void A_kind_has_one_reader()
    {
        using var state = new ExpertState("nobody knows");
        FluentActions.Invoking(() => StoredExperts.Read(state)).Should().Throw<ArgumentException>().WithMessage("*\"nobody knows\"*not known*");
        StoredExperts.Register("test-one", Fixed.Read);
        StoredExperts.Register("test-one", Fixed.Read);
        FluentActions.Invoking(() => StoredExperts.Register("test-one", _ => new Fixed(1, 1))).Should().Throw<ArgumentException>().WithMessage("*already a reader*test-one*");
    }
}
